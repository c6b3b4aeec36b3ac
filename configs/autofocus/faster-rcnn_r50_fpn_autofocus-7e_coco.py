_base_ = '../sniper/faster-rcnn_r50_fpn_sniper-7e_coco.py'

model = dict(
    type='FocusDetector',
    detector='FasterRCNN',
    # The second of the neck's maps: the first one has stride 4.
    focus_head=dict(type='FocusHead', in_channels=256, feature=1, stride=8, sizes=(5, 64, 90)),
)
