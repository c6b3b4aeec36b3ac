"""Runs whose config has lost the hooks of chips."""

import copy
import itertools

import pytest
import torch
from coco_files import LEVELS, PIPELINE, write_coco
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.hooks import Hook, RuntimeInfoHook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import InstanceData

from mmsniper import InputError
from mmsniper.datasets import ChipDataset
from mmsniper.engine import ChipEpochHook, ChipMergeHook, HookGuard

SEEN = []
_runs = itertools.count()
MIX = dict(type='FilterAnnotations', min_gt_bbox_wh=(0, 0), keep_empty=False)


@MODELS.register_module()
class SeesChips(BaseModel):
    """Notes the chips of its training steps, and finds nothing in views."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            for sample in data_samples:
                SEEN.append((sample.img_id, sample.chip_level, *sample.chip.tolist()))
            return dict(loss=self.weight.sum())
        for sample in data_samples:
            sample.pred_instances = InstanceData(
                bboxes=torch.zeros(0, 4), scores=torch.zeros(0), labels=torch.zeros(0).long()
            )
        return data_samples


@pytest.fixture
def config(tmp_path):
    """Three epochs without any custom hook, and without validation."""
    SEEN.clear()
    boxes = [[(10, 10, 20, 20), (90, 60, 30, 30), (30, 30, 80, 60)]] * 3
    inner = write_coco(tmp_path, [(120, 150)] * 3, boxes)
    dataset = dict(type='ChipDataset', dataset=inner, pipeline=PIPELINE, **LEVELS)
    return Config(
        dict(
            work_dir=str(tmp_path / 'work'),
            experiment_name=tmp_path.name,
            default_scope='mmdet',
            model=dict(type='SeesChips'),
            train_cfg=dict(by_epoch=True, max_epochs=3),
            train_dataloader=dict(
                batch_size=1,
                num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=True),
                dataset=dataset,
            ),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            default_hooks=dict(checkpoint=None),
            randomness=dict(seed=0),
        )
    )


@pytest.fixture
def tested(config, tmp_path):
    """The same with a validation and a test on views."""
    dataset = dict(config.train_dataloader.dataset, test_mode=True)
    dataset['pipeline'] = [*PIPELINE[:-1], dict(type='PackChipInputs')]
    evaluator = dict(type='CocoMetric', ann_file=str(tmp_path / 'annotations.json'))
    for loop in ('val', 'test'):
        config[f'{loop}_cfg'] = dict()
        config[f'{loop}_dataloader'] = dict(
            batch_size=1, num_workers=0, sampler=dict(type='ViewSampler'), dataset=dataset
        )
        config[f'{loop}_evaluator'] = dict(evaluator)
    return config


def chips_of(config, repeats=1) -> list[list[tuple]]:
    """The chips that each of the epochs should give, sorted."""
    settings = config.train_dataloader.dataset.to_dict()
    while settings['type'] != 'ChipDataset':
        settings = settings['dataset'] if 'dataset' in settings else settings['datasets'][0]
    settings.pop('type')
    dataset = ChipDataset(**settings)
    epochs = []
    for epoch in range(3):
        dataset.set_epoch(epoch)
        rows = zip(dataset.table.image, dataset.table.level, dataset.table.boxes)
        chips = [(int(image) + 1, int(level), *box.tolist()) for image, level, box in rows]
        epochs.append(sorted(chips * repeats))
    return epochs


def seen_in_epochs(number=3) -> list[list[tuple]]:
    length = len(SEEN) // number
    return [sorted(SEEN[start : start + length]) for start in range(0, len(SEEN), length)]


def run(config, hooks=(), way='train'):
    config = copy.deepcopy(config)
    config.experiment_name += f'_{next(_runs)}'  # several runs may start in a second
    runner = Runner.from_cfg(config)
    for hook in hooks:
        runner.register_hook(hook)
    getattr(runner, way)()
    return runner


def epoch_hooks(runner) -> int:
    return sum(isinstance(hook, ChipEpochHook) for hook in runner.hooks)


WRAPPERS = {
    'none': lambda chips: chips,
    'concat': lambda chips: dict(type='ConcatDataset', datasets=[chips]),
    'repeat': lambda chips: dict(type='RepeatDataset', dataset=chips, times=2),
}


@pytest.mark.parametrize(
    'wrapper, num_workers', [('none', 0), ('none', 1), ('concat', 1), ('repeat', 0)]
)
def test_chips_change_without_the_hook(config, wrapper, num_workers):
    expected = chips_of(config, repeats=2 if wrapper == 'repeat' else 1)
    assert expected[0] != expected[1] != expected[2]
    loader = config.train_dataloader
    loader.dataset = WRAPPERS[wrapper](loader.dataset)
    loader.update(num_workers=num_workers, persistent_workers=num_workers > 0)
    runner = run(config)
    assert seen_in_epochs() == expected
    assert epoch_hooks(runner) == 1


def test_chips_inside_of_mixing_change_without_the_hook(config):
    chips = dict(config.train_dataloader.dataset, pipeline=PIPELINE[:-1])
    mixed = dict(type='MultiImageMixDataset', dataset=chips, pipeline=[MIX, PIPELINE[-1]])
    config.train_dataloader.dataset = mixed
    run(config)
    assert seen_in_epochs() == chips_of(config)


def test_a_hook_of_the_config_is_the_only_one(config):
    config.custom_hooks = [dict(type='ChipEpochHook')]
    runner = run(config)
    run(config)
    assert epoch_hooks(runner) == 1
    assert seen_in_epochs(6) == chips_of(config) * 2


def test_a_resumed_training_goes_on_with_its_epoch(config, tmp_path):
    config.default_hooks.checkpoint = dict(type='CheckpointHook', interval=1)

    class Stop(Hook):
        priority = 'LOWEST'

        def after_train_epoch(self, runner):
            if runner.epoch == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config, [Stop()])
    SEEN.clear()
    config.update(resume=True, load_from=f'{config.work_dir}/epoch_1.pth')
    run(config)
    assert seen_in_epochs(2) == chips_of(config)[1:]


def test_configs_without_a_scope(config):
    """As those in Python's own style are, which name classes instead of strings."""
    expected = chips_of(config)
    config.default_scope = None

    def prefix(part):
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            if key == 'type' and isinstance(value, str) and value not in ('DefaultSampler', 'SGD'):
                part[key] = f'mmdet.{value}'
            elif isinstance(value, (dict, list)):
                prefix(value)

    prefix(config.train_dataloader)
    prefix(config.model)
    run(config)
    assert seen_in_epochs() == expected


@pytest.mark.parametrize('sampler', ['DefaultSampler', 'InfiniteSampler'])
def test_training_by_iterations(config, sampler):
    config.train_cfg = dict(type='IterBasedTrainLoop', max_iters=3 * len(chips_of(config)[0]))
    config.train_dataloader.sampler = dict(type='InfiniteChipSampler', shuffle=True)
    runner = run(config)
    assert seen_in_epochs() == chips_of(config)
    assert epoch_hooks(runner) == 0, 'the sampler chooses the epochs'
    SEEN.clear()
    config.train_dataloader.sampler = dict(type=sampler, shuffle=True)
    with pytest.raises(InputError, match=f"with {sampler} .*type='InfiniteChipSampler'"):
        run(config)
    assert not SEEN


def test_every_runner_has_the_guard(config):
    (guard,) = [hook for hook in Runner.from_cfg(config).hooks if isinstance(hook, RuntimeInfoHook)]
    assert type(guard) is HookGuard


@pytest.mark.parametrize(
    'way, sampler, metric',
    [
        ('train', 'ViewSampler', 'CocoMetric'),
        ('train', 'DefaultSampler', 'CocoMetric'),
        ('val', 'ViewSampler', 'CocoMetric'),
        ('test', 'ViewSampler', 'CocoMetric'),
        ('test', 'DefaultSampler', 'CocoMetric'),
        ('test', 'ViewSampler', 'DumpDetResults'),
    ],
)
def test_views_that_nothing_merges_are_refused(tested, tmp_path, way, sampler, metric):
    for loader in (tested.val_dataloader, tested.test_dataloader):
        loader.sampler = dict(type=sampler, shuffle=False)
    if metric == 'DumpDetResults':
        dump = dict(type=metric, out_file_path=str(tmp_path / 'dump.pkl'))
        tested.val_evaluator = tested.test_evaluator = dump
    loop = 'TestLoop' if way == 'test' else 'ValLoop'
    with pytest.raises(InputError, match=f"views that {loop} gets .*type='ChipMergeHook'"):
        run(tested, way=way)
    assert not SEEN, 'before the training'


@pytest.mark.parametrize('wrapper', ['concat', 'repeat'])
def test_wrapped_views_are_refused(tested, wrapper):
    tested.test_dataloader.dataset = WRAPPERS[wrapper](tested.test_dataloader.dataset)
    tested.test_dataloader.sampler = dict(type='DefaultSampler', shuffle=False)
    with pytest.raises(InputError, match="type='ChipMergeHook'"):
        run(tested, way='test')


def test_a_hook_of_any_origin_merges(tested):
    runner = run(tested, [ChipMergeHook()], way='test')
    assert runner.test_loop.dataloader.dataset.views_are_merged is False, 'only during the test'


def test_whoever_merges_may_say_so(tested):
    runner = Runner.from_cfg(tested)
    runner.test_loop.dataloader.dataset.views_are_merged = True
    runner.test()


def test_other_datasets_are_left_alone(config, tmp_path):
    pack = dict(type='PackDetInputs', meta_keys=('img_id', 'ori_shape'))
    images = dict(config.train_dataloader.dataset.dataset, pipeline=[*PIPELINE[:2], pack])
    config.model = dict(type='FindsNothing')
    config.train_dataloader.dataset = images
    config.val_cfg, config.val_dataloader = dict(), dict(config.train_dataloader)
    config.val_dataloader['sampler'] = dict(type='DefaultSampler', shuffle=False)
    config.val_evaluator = dict(
        type='CocoMetric', ann_file=str(tmp_path / 'annotations.json'), format_only=True,
        outfile_prefix=str(tmp_path / 'out'),
    )  # fmt: skip
    runner = run(config)
    assert epoch_hooks(runner) == 0


@MODELS.register_module()
class FindsNothing(SeesChips):
    """Trains on whole images."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            return dict(loss=self.weight.sum())
        return super().forward(inputs, data_samples, mode)


NORMALISING = dict(mean=[0.0] * 3, std=[1.0] * 3)


@pytest.mark.parametrize(
    ('bands', 'preprocessor', 'stops'),
    [
        ((3, 2, 1, 1), dict(bgr_to_rgb=True), True),
        ((3, 2), dict(bgr_to_rgb=True), True),
        ((3, 2, 1, 1), NORMALISING, True),
        ((3, 2, 1, 1), dict(), False),
        ((3, 2, 1), dict(NORMALISING, bgr_to_rgb=True), False),
        ((2,), dict(NORMALISING, bgr_to_rgb=True), False),
    ],
)
@pytest.mark.parametrize('way', ['train', 'test'])
def test_no_band_is_dropped_unheard(config, tested, way, bands, preprocessor, stops):
    settings = dict(preprocessor, type='DetDataPreprocessor')
    config.model = dict(type='SeesChips', data_preprocessor=settings)
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        config[loader].dataset.pipeline[0].bands = bands
    if not stops:
        run(config, [ChipMergeHook()], way=way)
        return
    with pytest.raises(InputError, match=rf'gives {len(bands)} channels.*in_channels={len(bands)}'):
        run(config, [ChipMergeHook()], way=way)
    assert not SEEN


def test_plain_iteration_needs_no_hook(config, tested):
    for name in ('train_dataloader', 'test_dataloader'):
        loader = Runner.build_dataloader(copy.deepcopy(tested[name]), seed=0)
        assert len(list(loader)) == len(loader.dataset) == len(list(loader.dataset))
