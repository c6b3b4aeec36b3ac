"""A suite of two recipes that takes seconds: a detector of few channels on a few drawn images."""

from pathlib import Path

MODEL = """
_base_ = __import__('mmsniper').config_path('_base_/models/atss_r18_fpn_tiny.py')
model = dict(
    backbone=dict(base_channels=4),
    neck=dict(in_channels=[4, 8, 16, 32], out_channels=8),
    bbox_head=dict(in_channels=8, stacked_convs=1, feat_channels=8),
    test_cfg=dict(score_thr=0.0),
)
"""
DATA = """
title = 'few shapes'
classes = ('disc', 'ring', 'triangle', 'square', 'cross')
script = 'dataset_converters/draw_shapes.py'
train = dict(ann_file='annotations/train.json', images='train/')
val = dict(ann_file='annotations/val.json', images='val/')
levels = [1.0, 0.5]
train_ranges = [(-1, 48), (32, -1)]
test_levels = [1.0, 0.5]
test_ranges = [(-1, 56), (28, -1)]
single_level = 1.0
chip_size = 64
stride = 16
sizes = dict(tiny=dict(
    step_mpx=0.02,
    arguments=(
        *('--train', '6', '--val', '3', '--height', '96', '--width', '128', '--max-size', '80'),
    ),
))
"""
SUITE = """
title = 'Smoke'
question = 'Does it work?'
data = 'data.py'
sizes = dict(tiny=dict(
    models=dict(detector='model.py', rpn='mmsniper::_base_/models/rpn_r18_fpn_tiny.py'),
    budget_mpx=0.4,
    proposal_mpx=0.1,
    rounds=4,
    curve_points=2,
    seeds=2,
    optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.01)),
    warmup_steps=2,
    num_workers=0,
    threads=1,
))
recipes = dict(
    single=dict(title='single scale', method='single-scale'),
    chips=dict(title='chips', method='sniper'),
)
tests = dict(pyramid=dict(title='pyramid'))
curve_test = 'pyramid'
"""


def write_suite(folder: Path, **replaced: str) -> Path:
    """Write the suite, its data set and its model.

    Args:
        folder: Where to.
        **replaced: Further text for ``suite``, ``data`` or ``model``, which comes last and so
            replaces what it names.

    Returns:
        The path of the suite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (('suite', SUITE), ('data', DATA), ('model', MODEL)):
        (folder / f'{name}.py').write_text(text + replaced.get(name, ''))
    return folder / 'suite.py'
