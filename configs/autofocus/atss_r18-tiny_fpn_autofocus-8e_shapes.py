_base_ = '../demo/atss_r18-tiny_fpn_sniper-8e_shapes.py'

model = dict(
    type='FocusDetector',
    detector='ATSS',
    # Objects below the valid ranges of testing, 34 * 0.6 and 95 * 0.25 pixels of their levels.
    focus_head=dict(
        type='FocusHead', in_channels=32, feat_channels=32, feature=0, stride=8, sizes=(2, 24, 34)
    ),
)

# Small pictures: small chips.
custom_hooks = [
    dict(hook, focus=dict(threshold=0.1, min_cells=4)) if hook['type'] == 'ChipMergeHook' else hook
    for hook in _base_.custom_hooks
]
