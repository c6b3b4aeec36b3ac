# DINO of few layers with a ResNet-18 of a quarter of its channels: for two CPU cores.
_base_ = './dino_r18.py'

# The decoder of MMDetection knows no other width than 256, so cost is saved elsewhere: in layers,
# and in feature maps, which begin at stride 16.
model = dict(
    # No more than there are places for in the smallest batch of chips.
    num_queries=60,
    num_feature_levels=2,
    backbone=dict(base_channels=16, out_indices=(2, 3)),
    neck=dict(in_channels=[64, 128], num_outs=2),
    encoder=dict(
        num_layers=1,
        layer_cfg=dict(self_attn_cfg=dict(num_levels=2), ffn_cfg=dict(feedforward_channels=256)),
    ),
    decoder=dict(
        num_layers=2,
        layer_cfg=dict(cross_attn_cfg=dict(num_levels=2), ffn_cfg=dict(feedforward_channels=256)),
    ),
    dn_cfg=dict(group_cfg=dict(num_dn_queries=40)),
    test_cfg=dict(max_per_img=60),
)
