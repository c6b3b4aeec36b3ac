# ATSS (arXiv:1912.02424), the model of MMDetection's own config.
model = __import__('mmsniper').zoo_config('atss/atss_r50_fpn_1x_coco.py').model
