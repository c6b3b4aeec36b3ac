# RTMDet-s (arXiv:2212.07784), the model of MMDetection's own config.
model = __import__('mmsniper').zoo_config('rtmdet/rtmdet_s_8xb32-300e_coco.py').model
