_base_ = '../rtmdet/rtmdet_s_sniper-105e_coco.py'

model = dict(
    type='FocusDetector',
    detector='RTMDet',
    focus_head=dict(
        type='FocusHead', in_channels=128, feat_channels=128, feature=0, stride=8, sizes=(5, 64, 90)
    ),
)
