"""Images with known objects, seen in views by a detector that finds what lies inside each view.

Run as a script it tests on several processes and writes what the metric got:
``python fake_views.py OUT NUM_IMAGES RANK WORLD_SIZE RENDEZVOUS_FILE``.
"""

from __future__ import annotations

import itertools
import json
import logging
import sys
import tempfile

import cv2
import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_flip
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from torch.utils.data import Dataset

import mmsniper  # noqa: F401
from mmsniper.engine import ChipMergeHook

HEIGHT, WIDTH = 120, 200
LEFT, RIGHT = (0, 0, 120, HEIGHT), (80, 0, WIDTH, HEIGHT)
WHOLE = (0, 0, WIDTH, HEIGHT)
_runs = itertools.count()


def objects(image: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Boxes (n, 4) in image pixels, scores and labels: three small ones and a large one."""
    rng = np.random.default_rng(image)
    corners = rng.integers(2, [[50, 100]] * 3, size=(3, 2))[:, ::-1] + [[0, 0], [40, 5], [95, 0]]
    boxes = np.concatenate([corners, np.minimum(corners + 12, [WIDTH, HEIGHT])], axis=1)
    boxes = np.concatenate([boxes, [[20, 10, 180, 110]]])
    scores = rng.uniform(0.4, 1, size=4)
    return (
        torch.tensor(boxes, dtype=torch.float32),
        torch.tensor(scores, dtype=torch.float32),
        torch.tensor([0, 1, 0, 2]),
    )


class FakeViews(Dataset):
    """Every third image is one whole view, the others are two tiles and a coarse whole view."""

    metainfo = dict(classes=('a', 'b', 'c'), palette=[(255, 0, 0), (0, 255, 0), (0, 0, 255)])

    def __init__(self, num_images: int, img_path: str = '{}.png', flip: str | None = None) -> None:
        self.num_images = num_images
        self.img_path = img_path
        self.flip = flip
        self.views = []
        starts = [0]
        for image in range(num_images):
            if image % 3 == 0:
                views = [(WHOLE, 1.0, (-1, -1))]
            else:
                views = [(LEFT, 2.0, (-1, 40)), (RIGHT, 2.0, (-1, 40)), (WHOLE, 0.5, (30, -1))]
            self.views += [(image, position, len(views), *v) for position, v in enumerate(views)]
            starts.append(len(self.views))
        self.view_starts = np.array(starts)

    def __len__(self) -> int:
        return len(self.views)

    def __getitem__(self, index: int) -> dict:
        image, view, num_views, chip, scale, valid_range = self.views[index]
        crop = (chip[3] - chip[1], chip[2] - chip[0])
        meta = dict(
            img_id=image,
            img_path=self.img_path.format(image),
            ori_shape=crop,
            img_shape=tuple(int(side * scale) for side in crop),
            scale_factor=(scale, scale),
            image_shape=(HEIGHT, WIDTH),
            chip=np.array(chip, dtype=np.float32),
            chip_level=int(scale < 1),
            valid_range=valid_range,
            num_views=num_views,
            view=view,
            flip=self.flip is not None,
            flip_direction=self.flip,
        )
        return dict(inputs=torch.zeros(3, 4, 4), data_samples=DetDataSample(metainfo=meta))


class FakeDetector(BaseModel):
    """Finds each object's part inside the view, in pixels of the crop."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        for sample in data_samples:
            boxes, scores, labels = objects(sample.img_id)
            x1, y1, x2, y2 = sample.chip.tolist()
            boxes = boxes - torch.tensor([x1, y1, x1, y1])
            boxes[:, 0::2] = boxes[:, 0::2].clamp(0, x2 - x1)
            boxes[:, 1::2] = boxes[:, 1::2].clamp(0, y2 - y1)
            seen = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
            if sample.flip:
                boxes = bbox_flip(boxes, sample.ori_shape, sample.flip_direction)
            sample.pred_instances = InstanceData(
                bboxes=boxes[seen], scores=scores[seen], labels=labels[seen]
            )
        return data_samples


class RecordingMetric(BaseMetric):
    """Keeps what it is given; ``recorded`` holds the collected results of the main process."""

    default_prefix = 'recording'

    def process(self, data_batch, data_samples) -> None:
        for sample in data_samples:
            predictions = sample['pred_instances']
            self.results.append(
                dict(
                    img_id=sample['img_id'],
                    ori_shape=sample['ori_shape'],
                    bboxes=predictions['bboxes'].tolist(),
                    scores=predictions['scores'].tolist(),
                    labels=predictions['labels'].tolist(),
                    keys=sorted(sample),
                )
            )

    def compute_metrics(self, results: list) -> dict:
        self.recorded = results
        return dict(images=len(results))


class Lines(logging.Handler):
    """Keeps what the log says of all images together."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = []

    def emit(self, record) -> None:
        line = record.getMessage().split(' into ')[0]
        if line.startswith(('Merged', 'Drew')):
            self.kept.append(line)


def make_runner(
    work_dir: str, dataset, metric, hooks, batch_size=2, sampler=None, num_workers=0, **kwargs
):
    """A runner that can validate and test on the dataset."""
    loader = dict(
        dataset=dataset,
        sampler=sampler or dict(type='ViewSampler'),
        batch_size=batch_size,
        num_workers=num_workers,
    )
    kwargs.setdefault('model', FakeDetector())
    return Runner(
        work_dir=str(work_dir),
        test_dataloader=loader,
        test_evaluator=[metric],
        test_cfg=dict(type='TestLoop'),
        val_dataloader=loader,
        val_evaluator=[metric],
        val_cfg=dict(type='ValLoop'),
        custom_hooks=hooks,
        default_scope='mmdet',
        experiment_name=f'run_{next(_runs)}',  # several runners may start in a second
        **kwargs,
    )


def main(out: str, num_images: str, rank: str, world_size: str, rendezvous: str) -> None:
    if int(world_size) > 1:
        torch.distributed.init_process_group(
            'gloo',
            init_method=f'file://{rendezvous}',
            rank=int(rank),
            world_size=int(world_size),
        )
    metric = RecordingMetric(collect_dir=f'{rendezvous}.parts')
    with tempfile.TemporaryDirectory() as work_dir:
        kwargs = {}
        if int(world_size) > 1:
            kwargs = dict(
                launcher='pytorch',
                cfg=dict(model_wrapper_cfg=dict(type='MMDistributedDataParallel', device_ids=None)),
            )
        dataset = FakeViews(int(num_images), img_path=f'{work_dir}/{{}}.png')
        for image in range(int(num_images)):
            cv2.imwrite(dataset.img_path.format(image), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        drawing = dict(type='DetVisualizationHook', draw=True, test_out_dir='pictures')
        kwargs['visualizer'] = dict(type='DetLocalVisualizer')
        runner = make_runner(work_dir, dataset, metric, [ChipMergeHook(), drawing], **kwargs)
        lines = Lines()
        runner.logger.addHandler(lines)
        metrics = runner.test()
    if rank == '0':
        with open(out, 'w') as file:
            json.dump(dict(metrics=metrics, recorded=metric.recorded, log=lines.kept), file)


if __name__ == '__main__':
    main(*sys.argv[1:])
