# RetinaNet with a Swin Transformer (arXiv:2103.14030), the model of MMDetection's own config.
model = __import__('mmsniper').zoo_config('swin/retinanet_swin-t-p4-w7_fpn_1x_coco.py').model
