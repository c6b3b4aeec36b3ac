# DINO with a ResNet-18 from scratch.
_base_ = 'mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py'

model = dict(
    # No more than there are cells in the smallest views, 160x120 and smaller.
    num_queries=100,
    test_cfg=dict(max_per_img=100),
    backbone=dict(
        depth=18,
        frozen_stages=-1,
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        init_cfg=None,
    ),
    neck=dict(in_channels=[128, 256, 512]),
    bbox_head=dict(type='IgnoreAwareHead', head='DINOHead'),
)
