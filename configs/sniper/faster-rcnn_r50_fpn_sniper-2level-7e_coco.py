_base_ = './faster-rcnn_r50_fpn_sniper-7e_coco.py'

# Without the finest level: the next one takes over the small objects.
train_dataloader = dict(
    dataset=dict(levels=[(800, 1280), (-1, 512)], valid_ranges=[(-1, 150), (120, -1)])
)
val_dataloader = dict(
    dataset=dict(levels=[(800, 1280), (480, 512)], valid_ranges=[(-1, 180), (75, -1)])
)
test_dataloader = val_dataloader
