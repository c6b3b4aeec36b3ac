"""Measure how fast detections are merged, beside MMCV's suppression.

Boxes are drawn like those that several views find of the same objects: each object has some boxes
that overlap, at random places of an image that grows with their number. The best of some runs.
"""

import argparse
import time
from typing import Callable

import numpy as np
import torch
from mmcv.ops import batched_nms

from mmsniper.merging import nms, soft_nms
from mmsniper.utils.arguments import non_negative_int, positive_int
from mmsniper.utils.json_file import write_json
from mmsniper.utils.script import run_script

IOU_THRESHOLD = 0.5
COPIES = 5
AREA_PER_OBJECT = 150**2


def draw(count: int, num_classes: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes (n, 4) float32, scores (n,) float32 and labels (n,) int64."""
    rng = np.random.default_rng(seed)
    objects = -(-count // COPIES)
    corners = rng.uniform(0, (objects * AREA_PER_OBJECT) ** 0.5, (objects, 2))
    sides = np.exp(rng.uniform(np.log(8), np.log(300), (objects, 2)))
    boxes = np.concatenate([corners, corners + sides], axis=1).repeat(COPIES, axis=0)[:count]
    boxes += rng.normal(0, 0.08, boxes.shape) * np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    labels = rng.integers(num_classes, size=objects).repeat(COPIES)[:count]
    return boxes.astype(np.float32), rng.random(count, np.float32), labels


def best_ms(run: Callable[[], object], repeat: int) -> float:
    """Milliseconds of the fastest run, after one that does not count."""
    run()
    seconds = []
    for _ in range(repeat):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return min(seconds) * 1e3


def measure(count: int, args: argparse.Namespace) -> dict[str, float]:
    """Figures of one number of boxes."""
    boxes, scores, labels = draw(count, args.classes, args.seed)
    tensors = [torch.from_numpy(part) for part in (boxes, scores, labels)]
    mmcv_settings = dict(type='nms', iou_threshold=IOU_THRESHOLD)
    return dict(
        boxes=count,
        kept=len(nms(boxes, scores, labels, IOU_THRESHOLD)),
        nms_ms=best_ms(lambda: nms(boxes, scores, labels, IOU_THRESHOLD), args.repeat),
        soft_nms_ms=best_ms(lambda: soft_nms(boxes, scores, labels, IOU_THRESHOLD), args.repeat),
        mmcv_nms_ms=best_ms(lambda: batched_nms(*tensors, dict(mmcv_settings)), args.repeat),
    )


def main() -> None:
    args = parse_args()
    torch.set_num_threads(1)
    print(f'{"boxes":>8} {"kept":>8} {"nms":>10} {"soft_nms":>10} {"nms of mmcv":>12}   (ms)')
    figures = []
    for count in args.boxes:
        found = measure(count, args)
        figures.append(found)
        print(
            f'{count:8} {found["kept"]:8} {found["nms_ms"]:10.2f} {found["soft_nms_ms"]:10.2f} '
            f'{found["mmcv_nms_ms"]:12.2f}',
            flush=True,
        )
    if args.json:
        write_json(args.json, figures)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--boxes', type=positive_int, nargs='+', default=[3000, 10000, 33000, 100000]
    )
    parser.add_argument('--classes', type=positive_int, default=10)
    parser.add_argument('--repeat', type=positive_int, default=5, help='runs; the best counts')
    parser.add_argument('--seed', type=non_negative_int, default=0)
    parser.add_argument('--json', metavar='FILE', help="write figures; '-' is standard output")
    return parser.parse_args()


if __name__ == '__main__':
    run_script(main)
