# The tiny ATSS with group normalisation, which knows no batch.
_base_ = __import__('mmsniper').config_path('_base_/models/atss_r18_fpn_tiny.py')

norm_cfg = dict(_delete_=True, type='GN', num_groups=8, requires_grad=True)
model = dict(
    backbone=dict(norm_cfg=norm_cfg),
    neck=dict(norm_cfg=norm_cfg),
    bbox_head=dict(norm_cfg=norm_cfg),
)
