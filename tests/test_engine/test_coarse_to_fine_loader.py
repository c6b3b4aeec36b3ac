"""Testing from coarse to fine in mmengine's real loops, with a detector that knows the truth."""

import json

import cv2
import fake_views as fakes
import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.structures import InstanceData, PixelData

from mmsniper.datasets.samplers import view_sampler
from mmsniper.engine import ChipMergeHook
from mmsniper.engine import coarse_to_fine_loader as loader_module
from mmsniper.errors import InputError
from mmsniper.evaluation import merging_evaluator

PIPELINE = [
    dict(type='LoadChip'),
    dict(type='ChipSample'),
    dict(type='ScaleNormalize'),
    dict(type='PackChipInputs'),
]
SIZES = [(300, 200), (40, 30), (256, 256), (128, 301), (200, 160)]


def truth_of(image):
    """Two small objects, one of a middle size and a large one; none in the fifth image."""
    if image == 4:
        return np.zeros((0, 4), np.float32)
    rng = np.random.default_rng(image)
    sides = np.array([[8, 9], [10, 8], [34, 33], [90, 100]])
    if image == 1:
        sides = sides[:2]
    corners = rng.integers(0, np.maximum(np.array(SIZES[image]) - sides, 1))
    return np.concatenate([corners, corners + sides], axis=1).astype(np.float32)


class Knowing(BaseModel):
    """Finds what it sees of each object; with ``head`` a map says where the small ones are."""

    def __init__(self, head=False):
        super().__init__()
        self.head = head
        self.shapes = []

    def test_step(self, data):
        self.shapes.append(sorted({tuple(each.shape) for each in data['inputs']}))
        for pixels, sample in zip(data['inputs'], data['data_samples']):
            image = sample.img_id - 1
            boxes = torch.from_numpy(truth_of(image)).reshape(-1, 4)
            left, top, right, bottom = sample.chip.tolist()
            boxes = boxes - torch.tensor([left, top, left, top])
            boxes[:, 0::2] = boxes[:, 0::2].clamp(0, right - left)
            boxes[:, 1::2] = boxes[:, 1::2].clamp(0, bottom - top)
            seen = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
            number = int(seen.sum())
            sample.pred_instances = InstanceData(
                bboxes=boxes[seen],
                scores=torch.linspace(0.9, 0.6, number),
                labels=torch.arange(len(boxes))[seen] % 2,
            )
            if self.head:
                shape = -(-pixels.shape[1] // 8) + 1, -(-pixels.shape[2] // 8) + 1  # padded
                cells = torch.zeros(1, *shape)
                boxes = boxes[seen] * sample.scale_factor[0]
                for box in boxes[(boxes[:, 2:] - boxes[:, :2] < 16).all(1)] / 8:
                    low, high = box[:2].int().tolist(), box[2:].ceil().int().tolist()
                    cells[0, low[1] : high[1], low[0] : high[0]] = 0.7
                sample.focus_map = PixelData(data=cells)
                sample.set_metainfo(dict(focus_stride=8))
        return data['data_samples']

    val_step = test_step

    def forward(self, inputs, data_samples=None, mode='tensor'):
        raise AssertionError('not called in testing')


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    content = dict(images=[], annotations=[], categories=[dict(id=1, name='a')])
    for number, (width, height) in enumerate(SIZES):
        name = f'{number}.png'
        cv2.imwrite(str(folder / name), np.full((height, width, 3), number, np.uint8))
        content['images'].append(dict(id=number + 1, file_name=name, width=width, height=height))
    (folder / 'boxes.json').write_text(json.dumps(content))
    return folder


def test_on(
    tmp_path, images, focus, repeat=1, tile_size=None, model=None, num_images=5, **settings
):
    """What the metric got, the lines of the log, and the detector."""
    inner = dict(
        type='mmdet.CocoDataset',
        ann_file=str(images / 'boxes.json'),
        data_prefix=dict(img=str(images)),
        metainfo=dict(classes=('a',)),
        test_mode=True,
    )
    if repeat > 1:
        inner = dict(type='mmdet.ConcatDataset', datasets=[inner] * repeat)
    dataset = dict(
        type='mmdet.ChipDataset',
        dataset=inner,
        pipeline=PIPELINE,
        levels=[1.0, 0.5, 0.25],
        valid_ranges=[(-1, 30), (20, 60), (50, -1)],
        tile_size=tile_size,
        test_mode=True,
    )
    metric = fakes.RecordingMetric()
    hook = ChipMergeHook(focus=focus)
    model = model or Knowing()
    runner = fakes.make_runner(tmp_path, dataset, metric, [hook], model=model, **settings)
    lines = []
    handler = fakes.logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    runner.logger.addHandler(handler)
    metrics = runner.test()
    assert type(runner.test_dataloader).__name__ == 'DataLoader', 'it is there again'
    assert metrics == {'recording/images': num_images * repeat}
    return metric.recorded, lines, model


test_on.__test__ = False


@pytest.mark.parametrize('tile_size, head', [(None, False), (64, False), (64, True)])
def test_threshold_0_is_the_pyramid(tmp_path, images, tile_size, head):
    pyramid, _, _ = test_on(tmp_path, images, None, tile_size=tile_size, model=Knowing(head))
    focus, model = dict(threshold=0), Knowing(head)
    found, lines, _ = test_on(tmp_path, images, focus, tile_size=tile_size, model=model)
    assert found == pyramid
    (line,) = (line for line in lines if line.startswith('Looked at'))
    assert line.startswith('Looked at 100.0% of the pixels of the pyramid; of its levels')


@pytest.mark.parametrize(
    'head, batch_size, num_workers, block',
    [(False, 1, 0, 64), (True, 3, 0, 64), (False, 1, 2, 2), (True, 1, 2, 3), (False, 2, 2, 64)],
)
def test_what_is_there_is_found(
    tmp_path, images, monkeypatch, head, batch_size, num_workers, block
):
    monkeypatch.setattr(loader_module, '_BLOCK', block)
    focus = dict(threshold=0.5, min_cells=2)
    found, lines, model = test_on(
        tmp_path,
        images,
        focus,
        repeat=2,  # the same images come again, with the same ids and paths
        model=Knowing(head),
        batch_size=batch_size,
        num_workers=num_workers,
    )
    assert [each['img_id'] for each in found] == [1, 2, 3, 4, 5] * 2
    for each in found:
        expected = truth_of(each['img_id'] - 1)
        assert sorted(each['bboxes']) == sorted(expected.tolist())
        assert 'focus_map' not in each['keys']
    looked_at = [line for line in lines if line.startswith('Looked at')]
    assert len(looked_at) == 1 and '100.0%.' in looked_at[0], 'all of the coarsest level'
    share = float(looked_at[0].split()[2][:-1])
    assert 5 < share < 70
    assert all(len(shapes) == 1 for shapes in model.shapes) or batch_size > 1


@pytest.mark.parametrize('head', [False, True])
def test_a_map_of_nothing_is_the_coarsest_level(tmp_path, images, head):
    found, lines, model = test_on(tmp_path, images, dict(threshold=1.0), model=Knowing(head))
    assert sum(map(len, model.shapes)) == 5, 'the sizes of the images'
    for each in found:
        expected = truth_of(each['img_id'] - 1)
        large = ((expected[:, 2:] - expected[:, :2]).prod(1)) >= 50**2
        assert sorted(each['bboxes']) == sorted(expected[large].tolist())


def test_progress_is_never_ahead_of_itself(tmp_path, images, monkeypatch):
    monkeypatch.setattr(loader_module, '_BLOCK', 2)
    seen = []
    own = loader_module.CoarseToFineLoader.__iter__

    def watched(self):
        for number, batch in enumerate(own(self), 1):
            seen.append((number, len(self)))
            yield batch

    monkeypatch.setattr(loader_module.CoarseToFineLoader, '__iter__', watched)
    test_on(tmp_path, images, dict(threshold=0.5, min_cells=2), batch_size=1)
    assert all(number <= length for number, length in seen) and seen[-1][0] == seen[-1][1]


def test_ranks_share_the_images(tmp_path, images, monkeypatch):
    alone, _, _ = test_on(tmp_path, images, dict(threshold=0.5))
    parts = []
    for rank in range(2):
        for module in (merging_evaluator, view_sampler):
            monkeypatch.setattr(module, 'get_dist_info', lambda rank=rank: (rank, 2))
        parts.append(test_on(tmp_path, images, dict(threshold=0.5), num_images=3)[0])
    together = [part[place] for place in range(3) for part in parts if place < len(part)]
    assert together[: len(SIZES)] == alone


def test_impossible(tmp_path, images):
    with pytest.raises(InputError, match='threshold of focus has 3 entries, but there are 2'):
        test_on(tmp_path, images, dict(threshold=(0.1, 0.2, 0.3)))
    with pytest.raises(InputError, match='focus needs the images in order, but DefaultSampler'):
        test_on(tmp_path, images, True, sampler=dict(type='DefaultSampler', shuffle=False))
    with pytest.raises(InputError, match='the detector has no focus head'):
        test_on(tmp_path, images, dict(source='head'))
