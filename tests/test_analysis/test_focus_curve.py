"""What is reckoned of testing from coarse to fine, with a detector that knows the truth."""

import json

import fake_views as fakes
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData, PixelData

from mmsniper.analysis.focus_curve import FocusCurve, ViewRecorder
from mmsniper.datasets import ChipDataset
from mmsniper.focus import FocusSettings

SIZES = [(320, 200), (256, 256)]
# A small object in a corner, one of a middle size, a large one; nothing.
TRUTH = [[[10, 10, 20, 20], [100, 100, 140, 140], [150, 20, 300, 180]], []]
RANGES = [(-1, 30), (20, 60), (50, -1)]


def recorded(tmp_path, tile_size, head):
    """The metric, and the curve of what all views found."""
    names = [dict(id=i, file_name=f'{i}.png', width=w, height=h) for i, (w, h) in enumerate(SIZES)]
    content = dict(images=names, annotations=[], categories=[dict(id=1, name='a')])
    (tmp_path / 'boxes.json').write_text(json.dumps(content))
    dataset = ChipDataset(
        dict(
            type='mmdet.CocoDataset',
            ann_file=str(tmp_path / 'boxes.json'),
            data_prefix=dict(img=str(tmp_path)),
            metainfo=dict(classes=('a',)),
            test_mode=True,
        ),
        levels=[1.0, 0.5, 0.25],
        valid_ranges=RANGES,
        tile_size=tile_size,
        test_mode=True,
    )
    recorder = ViewRecorder(dataset)
    for index in range(len(dataset)):
        recorder.before_test_iter()
        recorder.process([seen(dataset.get_data_info(index), head)])
    metric = fakes.RecordingMetric()
    nms = dict(type='nms', iou_threshold=0.5)
    return metric, FocusCurve(dataset, recorder, Evaluator(metric), nms)


def seen(info, head):
    left, top, right, bottom = info['chip'].tolist()
    boxes = torch.tensor(TRUTH[info['img_id']]).reshape(-1, 4) - torch.tensor([left, top] * 2)
    boxes[:, 0::2] = boxes[:, 0::2].clamp(0, right - left)
    boxes[:, 1::2] = boxes[:, 1::2].clamp(0, bottom - top)
    boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(1)]
    scale = info['chip_scale']
    height, width = (round(side * scale) for side in (bottom - top, right - left))
    sample = DetDataSample(
        metainfo=dict(
            {key: info[key] for key in ('img_id', 'chip', 'chip_level', 'chip_scale')},
            valid_range=info['valid_range'],
            image_shape=(info['height'], info['width']),
            img_shape=(height, width),
            scale_factor=(scale, scale),
            focus_stride=8,
        )
    )
    sample.pred_instances = InstanceData(
        bboxes=boxes,
        scores=torch.full((len(boxes),), 0.6),
        labels=torch.zeros(len(boxes), dtype=torch.int64),
    )
    if head:
        cells = torch.zeros(1, -(-height // 8), -(-width // 8))
        for box in boxes * scale / 8:
            if (box[2:] - box[:2] < 2.6).all():
                low, high = box[:2].int().tolist(), box[2:].ceil().int().tolist()
                cells[0, low[1] : high[1], low[0] : high[0]] = 0.6
        sample.focus_map = PixelData(data=cells)
    return sample


def boxes_of(metric):
    return {each['img_id']: sorted(each['bboxes']) for each in metric.recorded}


@pytest.mark.parametrize('tile_size', [None, 160])
@pytest.mark.parametrize('head', [False, True])
def test_points(tmp_path, tile_size, head):
    metric, curve = recorded(tmp_path, tile_size, head)
    whole = curve.pyramid()
    pyramid = boxes_of(metric)
    assert pyramid == {0: sorted(map(list, TRUTH[0])), 1: []}
    assert whole.share == 1 and whole.metrics == {'recording/images': 2} and whole.seconds > 0
    assert all(each['ori_shape'] == SIZES[each['img_id']][::-1] for each in metric.recorded)
    assert not any(
        {'chip', 'focus_map', 'num_views'} & set(each['keys']) for each in metric.recorded
    )

    levels = list(curve.levels())
    assert [point.name for point in levels] == ['level 0', 'level 1', 'level 2']
    assert sum(point.mpx for point in levels) == pytest.approx(whole.mpx)
    assert boxes_of(metric) == pyramid, 'the coarsest level sees all of it by itself'

    settings = FocusSettings(min_cells=2)
    everything = curve.focus(settings, 0)
    assert boxes_of(metric) == pyramid
    assert everything.share == pytest.approx(1) and everything.mpx == pytest.approx(whole.mpx)
    some = curve.focus(settings, 0.5)
    assert boxes_of(metric) == pyramid
    assert 0.05 < some.share < 0.5 and some.threshold == 0.5
    assert some.seconds < whole.seconds
    nothing = curve.focus(settings, 0.7)
    assert boxes_of(metric) == {0: [TRUTH[0][2]], 1: []}
    assert nothing.mpx == pytest.approx(np.prod(SIZES, 1).sum() / 2 / 16 / 1e6)
