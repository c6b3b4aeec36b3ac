# SSD512 (arXiv:1512.02325), the model of MMDetection's own config.
model = __import__('mmsniper').zoo_config('ssd/ssd512_coco.py').model
# Anchors over 0.3 IoU with an ignored box have no loss, so they are not mined as negatives.
model['train_cfg']['assigner'] = dict(
    type='IgnoreAwareAssigner', assigner=model['train_cfg']['assigner']
)
