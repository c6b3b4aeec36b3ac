"""Training with chips mixed to mosaics."""

from collections import Counter

import numpy as np
from chip_recorder import recorded
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmsniper.datasets import ChipDataset


class InputShapes(Hook):
    """Notes the shapes of the images that each epoch gives to the detector."""

    def before_train(self, runner):
        self.shapes = {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        shapes = self.shapes.setdefault(runner.epoch, set())
        shapes |= {tuple(image.shape) for image in data_batch['inputs']}


def mix_chips(config):
    """Put four chips into an image, as docs/augmentation.md has it, but for the last epochs."""
    chips = config.train_dataloader.dataset
    *transforms, flip, pack = chips.pipeline
    chips.pipeline = transforms
    config.train_dataloader.dataset = dict(
        type='MultiImageMixDataset',
        dataset=chips,
        pipeline=[
            dict(type='Mosaic', img_scale=(64, 64)),
            dict(type='RandomAffine', scaling_ratio_range=(0.8, 1.2), border=(-32, -32)),
            flip,
            dict(type='FilterAnnotations', min_gt_bbox_wh=(1, 1), keep_empty=False),
            pack,
        ],
    )
    config.custom_hooks.append(dict(type='YOLOXModeSwitchHook', num_last_epochs=1))
    return chips


def test_training_with_mosaic_and_flips(tiny_config):
    chips = mix_chips(tiny_config)
    tiny_config.train_cfg.update(max_epochs=3, val_interval=3)
    runner = Runner.from_cfg(tiny_config)
    inputs = InputShapes()
    runner.register_hook(inputs)
    runner.train()
    losses = np.array(runner.message_hub.get_scalar('train/loss').data[0])
    assert len(losses) == runner.iter > 15
    assert np.isfinite(losses).all()
    assert 0 <= runner.message_hub.get_scalar('val/coco/bbox_mAP').current() <= 1

    given = recorded(tiny_config.work_dir)
    dataset = ChipDataset(**{key: value for key, value in chips.items() if key != 'type'})
    for epoch in range(3):
        dataset.set_epoch(epoch)
        table = dataset.table
        expected = [(int(level), *box) for level, box in zip(table.level, table.boxes.tolist())]
        assert Counter(chip[1:] for chip in given[epoch]) == Counter(expected)
        assert epoch == 0 or Counter(given[epoch]) != Counter(given[epoch - 1])

    # The hook of MMDetection counts one epoch more as its last ones.
    assert inputs.shapes[0] == {(3, 64, 64)}, 'mosaics'
    assert len(inputs.shapes[1] | inputs.shapes[2]) > 1, 'chips as they are'
