# YOLOX-s (arXiv:2107.08430), the model of MMDetection's own config.
model = __import__('mmsniper').zoo_config('yolox/yolox_s_8xb8-300e_coco.py').model
# The objectness of points on ignored objects is not learnt.
model['bbox_head'].update(type='IgnoreAwareHead', head=model['bbox_head']['type'])
