# YOLOX-nano, on inputs of the size of chips.
_base_ = 'mmdet::yolox/yolox_nano_8xb8-300e_coco.py'

model = dict(
    data_preprocessor=dict(batch_augments=None),
    bbox_head=dict(type='IgnoreAwareHead', head='YOLOXHead'),
)
