"""Measure how fast detections are merged, beside MMCV and, where it can be imported, SAHI.

Boxes are drawn like those that several views find of the same objects: each object has some boxes
that overlap, at random places of an image that grows with their number. The best of some runs.
SAHI's times are those of finding what belongs together; of its NMM, boxes are not yet merged then.
With --device boxes on a GPU are suppressed as well: there, and copied to the CPU.
"""

from __future__ import annotations

import argparse
import resource
import time
from typing import Callable

import numpy as np
import torch
from mmcv.ops import batched_nms

from mmsniper.merging import nmm, nms, soft_nms, wbf
from mmsniper.merging.device import nms_on_device
from mmsniper.utils.arguments import non_negative_int, positive_int
from mmsniper.utils.json_file import write_json
from mmsniper.utils.script import run_script

try:
    from sahi.postprocess import combine as sahi
except ImportError:
    sahi = None

THRESHOLD = 0.5
AREA_PER_OBJECT = 150**2


def draw(
    count: int, num_classes: int, copies: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes (n, 4) float32, scores (n,) float32 and labels (n,) int64."""
    rng = np.random.default_rng(seed)
    objects = -(-count // copies)
    corners = rng.uniform(0, (objects * AREA_PER_OBJECT) ** 0.5, (objects, 2))
    sides = np.exp(rng.uniform(np.log(8), np.log(300), (objects, 2)))
    boxes = np.concatenate([corners, corners + sides], axis=1).repeat(copies, axis=0)[:count]
    boxes += rng.normal(0, 0.08, boxes.shape) * np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    labels = rng.integers(num_classes, size=objects).repeat(copies)[:count]
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


def ways(
    drawn: tuple[np.ndarray, ...], rivals: bool, device: str | None = None
) -> dict[str, Callable[[], object]]:
    """What is measured, by its name."""
    found = dict(
        nms=lambda: nms(*drawn, THRESHOLD),
        soft_nms=lambda: soft_nms(*drawn, THRESHOLD),
        nmm=lambda: nmm(*drawn, THRESHOLD),
        nmm_ios=lambda: nmm(*drawn, THRESHOLD, 'ios'),
        wbf=lambda: wbf(*drawn, THRESHOLD),
    )
    if device is not None:
        there = [torch.from_numpy(part).to(device) for part in drawn]
        found['nms_there'] = lambda: nms_on_device(*there, THRESHOLD).tolist()
        found['nms_copied'] = lambda: nms(*(part.cpu().numpy() for part in there), THRESHOLD)
    if rivals:
        tensors = [torch.from_numpy(part) for part in drawn]
        settings = dict(type='nms', iou_threshold=THRESHOLD)
        found['mmcv_nms'] = lambda: batched_nms(*tensors, dict(settings))
    if rivals and sahi is not None:
        rows = np.column_stack(drawn).astype(np.float32)
        found['sahi_nms'] = lambda: sahi.batched_nms(rows, 'IOU', THRESHOLD)
        found['sahi_nmm'] = lambda: sahi.batched_greedy_nmm(rows, 'IOU', THRESHOLD)
        found['sahi_nmm_ios'] = lambda: sahi.batched_greedy_nmm(rows, 'IOS', THRESHOLD)
    return found


def main() -> None:
    args = parse_args()
    torch.set_num_threads(1)
    figures = []
    for count in args.boxes:
        drawn = draw(count, args.classes, args.copies, args.seed)
        measured = ways(drawn, not args.alone, args.device)
        row = dict(boxes=count, kept=len(nms(*drawn, THRESHOLD)))
        row.update({f'{name}_ms': best_ms(run, args.repeat) for name, run in measured.items()})
        row['peak_mb'] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        if not figures:
            print(*(f'{name:>12}' for name in ('boxes', 'kept', *measured)), '  (ms)')
        times = (f'{row[f"{name}_ms"]:12.2f}' for name in measured)
        print(f'{count:12} {row["kept"]:12}', *times, flush=True)
        figures.append(row)
    print(f'The process took {figures[-1]["peak_mb"]:.0f} MB at most.')
    if args.json:
        write_json(args.json, figures)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--boxes', type=positive_int, nargs='+', default=[3000, 10000, 33000, 100000]
    )
    parser.add_argument('--classes', type=positive_int, default=10)
    parser.add_argument('--copies', type=positive_int, default=3, help='boxes of each object')
    parser.add_argument('--alone', action='store_true', help='leave out MMCV and SAHI')
    parser.add_argument('--device', help='such as cuda, where boxes are suppressed as well')
    parser.add_argument('--repeat', type=positive_int, default=5, help='runs; the best counts')
    parser.add_argument('--seed', type=non_negative_int, default=0)
    parser.add_argument('--json', metavar='FILE', help="write figures; '-' is standard output")
    return parser.parse_args()


if __name__ == '__main__':
    run_script(main)
