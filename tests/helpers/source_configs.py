"""A plain config of MMDetection to convert, small enough for two cores."""

from mmengine.config import Config

BASE = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'

TINY = """
_base_ = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
model = dict(
    backbone=dict(
        depth=18, base_channels=8, frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(in_channels=[8, 16, 32, 64], out_channels=16),
    bbox_head=dict(num_classes=2, in_channels=16, feat_channels=16, stacked_convs=1),
    test_cfg=dict(score_thr=0.0))
images = dict(
    _delete_=True, type='CocoDataset', data_root='.', ann_file='annotations.json',
    data_prefix=dict(img=''), metainfo=dict(classes=('a', 'b')))
train_dataloader = dict(
    num_workers=0, persistent_workers=False,
    dataset=dict(
        _delete_=True, type='RepeatDataset', times=2,
        dataset=dict(type='ConcatDataset', datasets=[dict(
            {key: value for key, value in images.items() if key != '_delete_'},
            filter_cfg=dict(filter_empty_gt=True), pipeline=_base_.train_pipeline)])))
val_dataloader = dict(
    num_workers=0, persistent_workers=False,
    dataset=dict(images, test_mode=True, pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file='annotations.json')
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=1)
default_hooks = dict(logger=dict(interval=1))
"""


def source_config(text: str = '', base: str = BASE) -> Config:
    """A config that inherits from one of MMDetection's.

    Args:
        text: What it says differently, as Python code.
        base: What it inherits from.
    """
    return Config.fromstring(f'_base_ = {base!r}\n{text}', '.py')
