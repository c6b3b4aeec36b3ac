"""ChipMergeHook in mmengine's real loops."""

from types import SimpleNamespace

import fake_views as fakes
import pytest
import torch
from mmdet.models import DetTTAModel
from mmdet.registry import HOOKS
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook

from mmsniper.engine import ChipMergeHook, chip_merge_hook
from mmsniper.errors import InputError
from mmsniper.evaluation import MergingEvaluator
from mmsniper.evaluation.merging_evaluator import REQUIRED_KEYS


class Spy(Hook):
    """Notes the loop's evaluator and the outputs that the hooks after it see."""

    priority = 'LOWEST'

    def __init__(self):
        self.evaluators, self.outputs, self.metrics = [], [], []

    def _after_iter(self, runner, batch_idx, data_batch=None, outputs=None, mode='train'):
        loop = runner.val_loop if mode == 'val' else runner.test_loop
        self.evaluators.append(loop.evaluator)
        self.outputs += outputs

    def after_val_epoch(self, runner, metrics=None):
        self.metrics.append(metrics)

    after_test_epoch = after_val_epoch


class Stop(Hook):
    """Ends the first epoch by an exception."""

    def __init__(self):
        self.armed = True

    def _after_iter(self, runner, batch_idx, data_batch=None, outputs=None, mode='train'):
        if self.armed and batch_idx == 1:
            self.armed = False
            raise KeyboardInterrupt


def make_runner(tmp_path, hooks, dataset=None, **kwargs):
    metric = fakes.RecordingMetric()
    dataset = fakes.FakeViews(5) if dataset is None else dataset
    return fakes.make_runner(tmp_path, dataset, metric, hooks, **kwargs), metric


def check_recorded(metric, num_images=5):
    assert [result['img_id'] for result in metric.recorded] == list(range(num_images))
    for result in metric.recorded:
        boxes, scores, labels = fakes.objects(result['img_id'])
        order = scores.argsort(descending=True)
        got = torch.tensor(result['scores']).argsort(descending=True)  # a whole view is not sorted
        torch.testing.assert_close(torch.tensor(result['bboxes'])[got], boxes[order])
        torch.testing.assert_close(torch.tensor(result['scores'])[got], scores[order])
        assert torch.tensor(result['labels'])[got].tolist() == labels[order].tolist()
        assert result['ori_shape'] == (fakes.HEIGHT, fakes.WIDTH)
        assert 'num_views' not in result['keys']


@pytest.mark.parametrize('kind', ['soft_nms', 'nmm', 'wbf'])
def test_any_way_to_merge(tmp_path, kind):
    hook = dict(type='ChipMergeHook', nms=dict(type=kind, iou_threshold=0.5))
    runner, metric = make_runner(tmp_path, [HOOKS.build(hook)])
    runner.test()
    check_recorded(metric)


@pytest.mark.parametrize('batch_size', [1, 2, 4])
@pytest.mark.parametrize('loop', ['val', 'test'])
def test_loops_give_one_result_per_image(tmp_path, loop, batch_size):
    spy = Spy()
    runner, metric = make_runner(
        tmp_path, [HOOKS.build(dict(type='ChipMergeHook')), spy], batch_size=batch_size
    )
    for _ in range(2):
        assert getattr(runner, loop)() == {'recording/images': 5}
        check_recorded(metric)
    assert all(isinstance(evaluator, MergingEvaluator) for evaluator in spy.evaluators)
    assert spy.metrics == [{'recording/images': 5}] * 2
    assert type(getattr(runner, f'{loop}_evaluator')) is Evaluator


@pytest.mark.parametrize(
    'meta_keys, lanes', [(None, 2), ((*REQUIRED_KEYS, 'img_path'), 2), (REQUIRED_KEYS, 1)]
)
def test_workers_get_whole_images_that_can_be_told_apart(tmp_path, meta_keys, lanes):
    dataset = fakes.FakeViews(5)
    if meta_keys:
        dataset.pipeline = SimpleNamespace(transforms=[SimpleNamespace(meta_keys=meta_keys)])
    runner, metric = make_runner(tmp_path, [ChipMergeHook()], dataset, num_workers=2)
    for loop in ('test', 'val'):
        assert getattr(runner, loop)() == {'recording/images': 5}
        check_recorded(metric)
        assert getattr(runner, f'{loop}_dataloader').sampler.num_lanes == lanes


@pytest.mark.parametrize('direction', ['horizontal', 'diagonal'])
def test_flipped_views_give_the_same(tmp_path, direction):
    runner, metric = make_runner(tmp_path, [ChipMergeHook()], fakes.FakeViews(5, flip=direction))
    runner.test()
    check_recorded(metric)


class FlippedBackDetector(fakes.FakeDetector):
    """Predicts unflipped boxes for flipped views, as DetTTAModel's merged results are."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        flipped = [sample.flip for sample in data_samples]
        for sample in data_samples:
            sample.set_metainfo(dict(flip=False))
        outputs = super().forward(inputs, data_samples, mode)
        for sample, flip in zip(outputs, flipped):
            sample.set_metainfo(dict(flip=flip))
        return outputs


class FakeTTAModel(DetTTAModel):
    """Test-time augmentation with one augmentation."""

    def test_step(self, data):
        return self.module.test_step(data)


def test_behind_test_time_augmentation_nothing_is_flipped_twice(tmp_path):
    model = FakeTTAModel(module=FlippedBackDetector())
    runner, metric = make_runner(
        tmp_path, [ChipMergeHook()], fakes.FakeViews(5, flip='horizontal'), model=model
    )
    runner.test()
    check_recorded(metric)


def test_evaluator_and_dataset_meta_during_the_epoch(tmp_path):
    spy = Spy()
    runner, metric = make_runner(tmp_path, [ChipMergeHook(max_per_image=3), spy])
    inner = runner.test_loop.evaluator
    runner.test()
    during = spy.evaluators[0]
    assert during.evaluator is inner and during.metrics is inner.metrics
    assert during.dataset_meta == fakes.FakeViews.metainfo == metric.dataset_meta
    assert max(len(result['bboxes']) for result in metric.recorded[1:3]) == 3


@pytest.mark.parametrize('loop', ['val', 'test'])
def test_an_aborted_epoch_leaves_no_trace(tmp_path, loop):
    spy = Spy()
    runner, metric = make_runner(tmp_path, [ChipMergeHook(), Stop(), spy])
    with pytest.raises(KeyboardInterrupt):
        getattr(runner, loop)()
    metric.results.clear()  # mmengine's own metrics keep what they had got
    getattr(runner, loop)()
    check_recorded(metric)
    assert type(spy.evaluators[-1].evaluator) is Evaluator
    assert type(getattr(runner, f'{loop}_evaluator')) is Evaluator


def test_two_hooks_do_not_nest(tmp_path):
    spy = Spy()
    runner, metric = make_runner(tmp_path, [ChipMergeHook(), ChipMergeHook(), spy])
    runner.test()
    check_recorded(metric)
    assert type(spy.evaluators[0].evaluator) is Evaluator
    assert type(runner.test_evaluator) is Evaluator


class PlainImages(fakes.FakeViews):
    """A dataset without views: its images are whole."""

    def __init__(self):
        super().__init__(1)
        self.view_starts = None


def test_other_datasets_are_left_alone(tmp_path, monkeypatch):
    messages = []
    monkeypatch.setattr(chip_merge_hook, 'print_log', lambda text, **_: messages.append(text))
    spy = Spy()
    runner, metric = make_runner(
        tmp_path, [ChipMergeHook(), spy], PlainImages(), sampler=dict(type='DefaultSampler')
    )
    runner.test()
    runner.val()
    assert all(type(evaluator) is Evaluator for evaluator in spy.evaluators)
    assert spy.outputs[0].num_views == 1
    assert messages == [
        'ChipMergeHook leaves TestLoop alone: its dataset, a PlainImages, is no '
        'ChipDataset(test_mode=True).'
    ]


def test_default_sampler_is_refused_on_several_ranks(tmp_path, monkeypatch):
    runner, metric = make_runner(
        tmp_path, [ChipMergeHook()], sampler=dict(type='DefaultSampler', shuffle=False)
    )
    runner.test()  # on one rank every image is whole
    check_recorded(metric)
    monkeypatch.setattr(chip_merge_hook, 'get_world_size', lambda: 2)
    with pytest.raises(InputError, match='DefaultSampler deals the views'):
        runner.test()


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(nms=dict(type='nms', iou_threshold=2)), 'iou_threshold is 2'),
        (dict(max_per_image=1.5), r'max_per_image=1\.5 must be 1 or more detections, a whole num'),
        (dict(max_per_image=True), 'max_per_image=True must be'),
        (dict(max_per_image=-2), 'max_per_image=-2 must be .*, or -1 for all'),
        (dict(max_per_image='100'), "max_per_image='100' must be"),
        (dict(border_margin=float('nan')), 'border_margin=nan must be 0 or more pixels, a finite'),
        (dict(border_margin=float('inf')), 'border_margin=inf must be'),
        (dict(border_margin=None), 'border_margin=None must be'),
        (dict(border_margin=True), 'border_margin=True must be'),
        (dict(class_agnostic='False'), "class_agnostic='False' must be True or False"),
        (dict(class_agnostic=1), 'class_agnostic=1 must be True or False'),
    ],
)
def test_impossible_settings_are_refused_when_built(settings, message):
    with pytest.raises(InputError, match=message):
        ChipMergeHook(**settings)
