"""The detectors of the configs with few channels and layers, on a few drawn images."""

from pathlib import Path

import mmdet
from coco_files import scattered_boxes, write_coco
from mmengine.config import Config

from mmsniper import config_path

LEVELS, RANGES = [1.0, 0.5], [(-1, 40), (30, -1)]

CHANNELS = 8
GROUPS = dict(type='GN', num_groups=4)
FEW = dict(in_channels=CHANNELS, feat_channels=CHANNELS)
RESNET = dict(depth=18, base_channels=4, frozen_stages=-1, style='pytorch', init_cfg=None)
FPN = dict(in_channels=[4, 8, 16, 32], out_channels=CHANNELS)
DENSE = dict(FEW, num_classes=2, stacked_convs=1, norm_cfg=GROUPS)
TEST = dict(score_thr=0.0, max_per_img=20)

# Queries keep their channels: DINO's encoding of positions has 256 whatever it is told.
LAYERS = dict(num_layers=1, layer_cfg=dict(ffn_cfg=dict(feedforward_channels=16)))

CSP = dict(
    backbone=dict(widen_factor=0.125, deepen_factor=0.33, init_cfg=None),
    neck=dict(in_channels=[32, 64, 128], out_channels=32),
    bbox_head=dict(in_channels=32, feat_channels=32, num_classes=2),
)

SMALL = {
    'cascade-rcnn_r50_fpn_sniper-7e_coco': dict(
        backbone=RESNET,
        neck=FPN,
        rpn_head=FEW,
        roi_head=dict(bbox_roi_extractor=dict(out_channels=CHANNELS)),
        train_cfg=dict(rpn_proposal=dict(max_per_img=100)),
        test_cfg=dict(rpn=dict(max_per_img=50), rcnn=TEST),
    ),
    'atss_r50_fpn_sniper-7e_coco': dict(backbone=RESNET, neck=FPN, bbox_head=DENSE, test_cfg=TEST),
    'fcos_r50-caffe_fpn_gn-head-center-normbbox-centeronreg-giou_sniper-7e_coco': dict(
        backbone=RESNET, neck=FPN, bbox_head=DENSE, test_cfg=TEST
    ),
    'retinanet_swin-t-p4-w7_fpn_sniper-7e_coco': dict(
        backbone=dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 2, 2, 4], init_cfg=None),
        neck=dict(in_channels=[16, 32, 64], out_channels=CHANNELS),
        bbox_head=dict(FEW, num_classes=2, stacked_convs=1),
        test_cfg=TEST,
    ),
    'rtmdet_s_sniper-105e_coco': dict(CSP, test_cfg=TEST),
    'ssd512_sniper-27e_coco': dict(
        backbone=dict(init_cfg=None),
        bbox_head=dict(num_classes=2),
        test_cfg=TEST,
    ),
    'yolox_s_sniper-105e_coco': dict(CSP, test_cfg=dict(score_thr=0.0)),
    'dino-4scale_r50_sniper-5e_coco': dict(
        num_queries=20,
        backbone=RESNET,
        neck=dict(in_channels=[8, 16, 32]),
        encoder=LAYERS,
        decoder=LAYERS,
        bbox_head=dict(num_classes=2),
        dn_cfg=dict(group_cfg=dict(num_dn_queries=10)),
        test_cfg=dict(max_per_img=20),
    ),
}
SCHEDULES = {
    'condinst_r50_fpn': 'ms-poly-90k_coco_instance',
    'dino-4scale_r50': '8xb2-12e_coco',
    'rtmdet_s': '8xb32-300e_coco',
    'ssd512': 'coco',
    'yolox_s': '8xb8-300e_coco',
}
FOLDERS = {
    'cascade-rcnn': 'cascade_rcnn',
    'retinanet': 'swin',
    'dino-4scale': 'dino',
    'ssd512': 'ssd',
}


def detector_path(name: str) -> str:
    """Where the config of a detector of SMALL is."""
    detector = name.split('_')[0]
    return config_path(f'{FOLDERS.get(detector, detector)}/{name}.py')


def zoo_partner(name: str) -> Config:
    """MMDetection's own config of the detector that one of ours trains."""
    detector = name.split('_sniper')[0]
    zoo = Path(mmdet.__file__).parent / '.mim/configs'
    (path,) = zoo.glob(f'*/{detector}_{SCHEDULES.get(detector, "1x_coco")}.py')
    return Config.fromfile(path)


def small_detector(name: str, folder, num_images: int = 4) -> Config:
    """A config, made small enough to train for an epoch in seconds.

    Args:
        name: A key of SMALL.
        folder: Where to write the images and the annotations, and the folder ``work``.
        num_images: How many images, of 96 to 200 pixels.
    """
    config = Config.fromfile(detector_path(name))
    return small_config(config, SMALL[name], folder, num_images)


def small_config(config: Config, model: dict, folder, num_images: int = 4) -> Config:
    """Make a config on chips small, in place and given back.

    Args:
        config: It.
        model: What its detector has instead.
        folder: As above.
        num_images: Likewise.
    """
    config.merge_from_dict(dict(model=model))
    if model.items() >= CSP.items():
        # After a few steps the statistics of batch normalisation are far from those of the views.
        for part in CSP:
            config.model[part].norm_cfg = GROUPS
    if config.model.type == 'CascadeRCNN':
        for head in config.model.roi_head.bbox_head:
            head.update(in_channels=CHANNELS, fc_out_channels=16, num_classes=2)
    data = draw(folder, num_images)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.dataset.dataset.update(data)
        loader.dataset.update(levels=LEVELS, valid_ranges=RANGES)
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
    config.train_dataloader.dataset.update(chip_size=64, stride=16)
    for evaluator in (config.val_evaluator, config.test_evaluator):
        evaluator.ann_file = str(folder / 'annotations.json')
    length = 'max_epochs' if 'max_epochs' in config.train_cfg else 'max_iters'
    config.train_cfg.update({length: 1, 'val_interval': 1})
    config.param_scheduler = None  # warm-ups are longer than this epoch: their start instead
    config.optim_wrapper.optimizer.lr /= 30
    config.optim_wrapper.type = 'OptimWrapper'  # mixed precision needs a GPU
    # A loss that is not finite ends the training.
    config.custom_hooks.append(dict(type='CheckInvalidLossHook', interval=1))
    config.work_dir = str(folder / 'work')
    config.randomness = dict(seed=0)
    return config


def draw(folder, num_images: int) -> dict:
    """Images with objects of 10 to 90 pixels, so that every level has some out of its range."""
    sizes, boxes = scattered_boxes(num_images, objects=6, smallest=10)
    data = write_coco(folder, sizes, boxes)
    return {key: data[key] for key in ('data_root', 'ann_file', 'data_prefix', 'metainfo')}
