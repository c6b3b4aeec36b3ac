# FCOS (arXiv:1904.01355) with its later improvements, the model of MMDetection's own config.
model = (
    __import__('mmsniper')
    .zoo_config('fcos/fcos_r50-caffe_fpn_gn-head-center-normbbox-centeronreg-giou_1x_coco.py')
    .model
)
# Points on ignored objects are learnt as nothing.
model['bbox_head'].update(type='IgnoreAwareHead', head=model['bbox_head']['type'])
