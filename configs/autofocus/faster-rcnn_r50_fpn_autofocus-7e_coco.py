_base_ = '../sniper/faster-rcnn_r50_fpn_sniper-7e_coco.py'

model = dict(
    type='FocusDetector',
    detector='FasterRCNN',
    # The second of the neck's maps: the first one has stride 4.
    focus_head=dict(type='FocusHead', in_channels=256, feature=1, stride=8, sizes=(5, 64, 90)),
)

# Tested from coarse to fine, with the paper's values for chips of 512 pixels.
custom_hooks = [
    dict(hook, focus=dict(threshold=(0.02, 0.2), dilation=3, min_cells=(16, 20)))
    if hook['type'] == 'ChipMergeHook'
    else hook
    for hook in _base_.custom_hooks
]
