_base_ = '../sniper/retinanet_r50_fpn_sniper-7e_coco.py'

model = dict(
    type='FocusDetector',
    detector='RetinaNet',
    focus_head=dict(type='FocusHead', in_channels=256, feature=0, stride=8, sizes=(5, 64, 90)),
)
