"""What stops a run stops it before its first step."""

import json

import numpy as np
import pytest
import torch
from coco_files import LEVELS, PIPELINE, write_coco
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import InstanceData

from mmsniper import InputError

STEPS = []


@MODELS.register_module()
class FoundNothing(BaseModel):
    """Counts its training steps, and detects one box in every view."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            STEPS.append(len(data_samples))
            return dict(loss=self.weight.sum())
        for sample in data_samples:
            sample.pred_instances = InstanceData(
                bboxes=torch.tensor([[10.0, 10, 30, 30]]),
                scores=torch.ones(1),
                labels=torch.zeros(1, dtype=torch.int64),
            )
        return data_samples


@pytest.fixture
def config(tmp_path):
    """A run on two sets, in the folders train and val."""
    loaders = {}
    for name in ('train', 'val'):
        (tmp_path / name).mkdir()
        inner = write_coco(tmp_path / name, [(100, 100)] * 3, [[(10, 10, 20, 20)]] * 3)
        test_mode = name == 'val'
        pack = [dict(type='PackChipInputs')]
        loaders[f'{name}_dataloader'] = dict(
            batch_size=1,
            num_workers=0,
            sampler=dict(type='ViewSampler' if test_mode else 'DefaultSampler'),
            dataset=dict(
                type='ChipDataset',
                dataset=inner,
                pipeline=PIPELINE[:-1] + pack,
                test_mode=test_mode,
                **LEVELS,
            ),
        )
    STEPS.clear()
    return Config(
        dict(
            work_dir=str(tmp_path / 'work'),
            experiment_name=tmp_path.name,
            default_scope='mmdet',
            model=dict(type='FoundNothing'),
            train_cfg=dict(by_epoch=True, max_epochs=1),
            val_cfg=dict(),
            val_evaluator=dict(type='CocoMetric', ann_file=str(tmp_path / 'val/annotations.json')),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            default_hooks=dict(checkpoint=None),
            custom_hooks=[dict(type='ChipEpochHook'), dict(type='ChipMergeHook')],
            **loaders,
        )
    )


def edit(folder, change):
    path = folder / 'annotations.json'
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    'name, hooks',
    [('train', slice(2)), ('val', slice(2)), ('train', slice(1)), ('val', slice(1, 2))],
)
def test_missing_pictures_stop_before_training(config, name, hooks):
    config.custom_hooks = config.custom_hooks[hooks]
    if config.custom_hooks[-1].type != 'ChipMergeHook':  # without which no validation begins
        config.val_cfg = config.val_dataloader = config.val_evaluator = None
    config[f'{name}_dataloader'].dataset.dataset.data_prefix = dict(img='elsewhere')
    with pytest.raises(InputError, match=f'{name}/elsewhere/0.png .*does not exist, but .*0.png'):
        Runner.from_cfg(config).train()
    assert not STEPS


def test_missing_pictures_of_whole_images(config):
    loader = config.val_dataloader
    loader.dataset = dict(
        loader.dataset.dataset,
        data_prefix=dict(img='elsewhere'),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='PackDetInputs')],
    )
    loader.sampler = dict(type='DefaultSampler', shuffle=False)
    with pytest.raises(InputError, match='val/elsewhere/0.png .*does not exist'):
        Runner.from_cfg(config).train()
    assert not STEPS


def test_classes_in_another_order_stop_before_training(config, tmp_path):
    edit(tmp_path / 'val', lambda content: content['categories'].reverse())
    with pytest.raises(InputError, match="label 0 is 'a' in the training, but 'b' in the validat"):
        Runner.from_cfg(config).train()
    assert not STEPS


@pytest.mark.parametrize('keys', [('area',), ('iscrowd',), ('area', 'iscrowd')])
def test_the_metric_gets_what_is_filled_in(config, tmp_path, keys):
    expected = Runner.from_cfg(config).val()
    assert np.isclose(expected['coco/bbox_mAP'], 1)

    def remove(content):
        for entry in content['annotations']:
            for key in keys:
                del entry[key]

    edit(tmp_path / 'val', remove)
    config.experiment_name += '_again'
    assert Runner.from_cfg(config).val() == expected
