# DINO (arXiv:2203.03605), the model of MMDetection's own config.
model = __import__('mmsniper').zoo_config('dino/dino-4scale_r50_8xb2-12e_coco.py').model
# Queries on ignored objects are not learnt.
model['bbox_head'].update(type='IgnoreAwareHead', head=model['bbox_head']['type'])
