"""Measure the memory and time that the masks of one large image need at test time.

Every level of the pyramid shows all objects, as if the detector had found each of them everywhere:
ellipses of all sizes, in the form in which the last layer of a mask head gives them. From there on
all is as in a test: the head makes masks of them, the views are merged, and CocoMetric computes the
AP, which shows that the masks are the right ones. The network itself is not run.

Each figure is from a process of its own: peak_mb is the largest resident memory minus that before
the first view, in 10**6 bytes. Heads: rle-mask-rcnn and rle-condinst are those of the configs,
mask-rcnn and condinst those of MMDetection. Needs Linux.
"""

import argparse
import contextlib
import multiprocessing
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.evaluation import CocoMetric
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData

import mmsniper  # noqa: F401 (registers the heads)
from mmsniper.chips import Pyramid, pyramid_views
from mmsniper.errors import InputError
from mmsniper.evaluation import MergingEvaluator
from mmsniper.utils.arguments import non_negative_int, positive_int
from mmsniper.utils.json_file import write_json
from mmsniper.utils.script import run_script

PYRAMID = Pyramid(
    levels=((1400, 2000), (800, 1280), (480, 512)), valid_ranges=((-1, 90), (32, 180), (75, -1))
)
NUM_CLASSES, MASK_SIZE, MASK_STRIDE = 80, 28, 4
FCN = dict(num_convs=0, in_channels=1, conv_out_channels=1, num_classes=NUM_CLASSES)
CONDINST = dict(
    mask_feature_head=dict(
        in_channels=1, feat_channels=1, start_level=0, end_level=0, out_channels=1, mask_stride=8
    ),
    mask_out_stride=MASK_STRIDE,
    test_cfg=ConfigDict(mask_thr=0.5),
    loss_mask=dict(type='DiceLoss'),
)
HEADS = {
    'rle-mask-rcnn': dict(type='RLEFCNMaskHead', **FCN),
    'rle-condinst': dict(type='RLECondInstMaskHead', **CONDINST),
    'mask-rcnn': dict(type='FCNMaskHead', **FCN),
    'condinst': dict(type='CondInstMaskHead', **CONDINST),
}


def resident_mb(entry: str) -> float:
    """This process' resident memory in 10**6 bytes: now ('VmRSS') or at most so far ('VmHWM')."""
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(entry):
            return int(line.split()[1]) * 1024 / 1e6
    raise InputError(f'/proc/self/status has no {entry}; run this script on Linux.')


def draw_boxes(args: argparse.Namespace) -> np.ndarray:
    """Boxes (n, 4) of objects of 24 pixels to a third of the image, anywhere in it."""
    rng = np.random.default_rng(args.seed)
    size = np.array([args.width, args.height])
    sides = np.exp(rng.uniform(np.log(24), np.log(size.min() / 3), (args.instances, 1)))
    sides = sides * rng.uniform(0.8, 1.25, (args.instances, 2))
    corners = rng.random((args.instances, 2)) * (size - sides)
    return np.concatenate([corners, corners + sides], axis=1).astype(np.float32)


def ellipse_logits(boxes: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Logits (n, h, w) of the ellipses in boxes (n, 4), at points (n or 1, h) and (n or 1, w)."""
    centers, radii = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    x = (columns - centers[:, :1]) / radii[:, :1]
    y = (rows - centers[:, 1:]) / radii[:, 1:]
    return 6 * (1 - x[:, None, :] ** 2 - y[:, :, None] ** 2)


def add_masks(head: Any, name: str, boxes: torch.Tensor, results: InstanceData, meta: dict) -> None:
    """Let the head predict masks, from what the network would give it.

    Args:
        head: A mask head.
        name: Its key in ``HEADS``.
        boxes: (n, 4) whole objects, in pixels of the network's input.
        results: The detections: ``bboxes`` (n, 4), the objects' visible parts, likewise.
        meta: Of the view.
    """
    if 'mask-rcnn' in name:
        points = (torch.arange(MASK_SIZE) + 0.5) / MASK_SIZE
        starts, sides = results.bboxes[:, :2], results.bboxes[:, 2:] - results.bboxes[:, :2]
        columns, rows = (starts[:, i : i + 1] + points * sides[:, i : i + 1] for i in (0, 1))
        logits = ellipse_logits(boxes, rows, columns)[:, None].repeat(1, NUM_CLASSES, 1, 1)
        config = ConfigDict(mask_thr_binary=0.5)
        head.predict_by_feat([logits], [results], [meta], config, rescale=True)
    else:
        height, width = (-(-side // 32) * 32 for side in meta['img_shape'])  # with padding
        rows, columns = (torch.arange(0, side, MASK_STRIDE)[None] for side in (height, width))
        logits = ellipse_logits(boxes, rows + MASK_STRIDE / 2, columns + MASK_STRIDE / 2)
        head.predict_by_feat([logits], [results], [meta], rescale=True)


def see(args: argparse.Namespace, objects: np.ndarray, tile_size: int | None) -> list[dict]:
    """The meta information of all views of the image, with its annotation."""
    views = pyramid_views(
        np.array([args.height]), np.array([args.width]), PYRAMID, tile_size, args.tile_overlap
    )
    factors = PYRAMID.scale_factors(np.array([args.height]), np.array([args.width]))[0]
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    annotation = [
        dict(
            bbox=box.tolist(),
            bbox_label=0,
            ignore_flag=0,
            mask=[((box[:2] + box[2:] + circle * (box[2:] - box[:2])) / 2).reshape(-1).tolist()],
        )
        for box in objects
    ]
    metas = []
    for index, (level, chip) in enumerate(zip(views.level, views.boxes)):
        shape = tuple(int(side) for side in (chip[3] - chip[1], chip[2] - chip[0]))
        size = tuple(int(side * factors[level] + 0.5) for side in shape)
        metas.append(
            dict(
                img_id=1,
                ori_shape=shape,
                img_shape=size,
                scale_factor=(size[1] / shape[1], size[0] / shape[0]),
                image_shape=(args.height, args.width),
                chip=chip,
                valid_range=PYRAMID.valid_ranges[level],
                num_views=len(views.level),
                view=index,
                instances=annotation,
            )
        )
    return metas


def measure(args: argparse.Namespace, name: str, tile_size: int | None) -> dict[str, Any]:
    """The figures of one head and one kind of views, see ``--help`` of the script."""
    torch.set_num_threads(1)
    head = MODELS.build(dict(HEADS[name])).eval()
    objects = draw_boxes(args)
    metas = see(args, objects, tile_size)
    metric = CocoMetric(metric='segm')
    # Different objects may overlap; those of several views are the same to a few pixels.
    nms = dict(type='nms', iou_threshold=0.9)
    evaluator = MergingEvaluator(Evaluator(metric), num_images=1, nms=nms, max_per_image=-1)
    evaluator.dataset_meta = dict(classes=[str(index) for index in range(NUM_CLASSES)])
    before, head_seconds, merge_seconds, detections = resident_mb('VmRSS'), 0.0, 0.0, 0
    for meta in metas:
        chip, scale = meta['chip'], np.tile(meta['scale_factor'], 2)
        boxes = objects - np.tile(chip[:2], 2)
        visible = boxes.clip(0, np.tile(chip[2:] - chip[:2], 2))
        seen = ((visible[:, 2:] - visible[:, :2]) > 1).all(axis=1)
        results = InstanceData(
            bboxes=torch.from_numpy((visible * scale)[seen]).float(),
            scores=torch.ones(int(seen.sum())),
            labels=torch.zeros(int(seen.sum()), dtype=torch.long),
        )
        begin = time.perf_counter()
        with torch.no_grad():
            add_masks(head, name, torch.from_numpy((boxes * scale)[seen]).float(), results, meta)
        middle = time.perf_counter()
        sample = DetDataSample(metainfo=meta)
        sample.pred_instances = results
        evaluator.process([sample])
        head_seconds += middle - begin
        merge_seconds += time.perf_counter() - middle
        detections += len(results)
        del sample, results
    merged = len(metric.results[0][1]['scores'])
    segm_map = evaluator.evaluate(len(metas))['coco/segm_mAP']
    return dict(
        head=name,
        tile_size=tile_size,
        views=len(metas),
        detections=detections,
        merged=merged,
        segm_mAP=float(segm_map),
        peak_mb=resident_mb('VmHWM') - before,
        head_seconds=head_seconds,
        merge_seconds=merge_seconds,
    )


def measure_quietly(*args) -> dict[str, Any]:
    """The same, without a word on standard output, which may be for the figures."""
    with contextlib.redirect_stdout(sys.stderr):
        return measure(*args)


def format_table(figures: list[dict[str, Any]]) -> str:
    """The figures as lines of text, one per head and kind of views."""
    lines = [
        f'{"head":>14} {"tile size":>9} {"views":>5} {"detections":>10} {"merged":>6} '
        f'{"segm_mAP":>8} {"peak MB":>8} {"head s":>7} {"merge s":>7}'
    ]
    for row in figures:
        lines.append(
            f'{row["head"]:>14} {row["tile_size"] or "whole":>9} {row["views"]:5d} '
            f'{row["detections"]:10d} {row["merged"]:6d} {row["segm_mAP"]:8.3f} '
            f'{row["peak_mb"]:8.0f} {row["head_seconds"]:7.2f} {row["merge_seconds"]:7.2f}'
        )
    return '\n'.join(lines)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--width', type=positive_int, default=4000, help='default: 4000 pixels')
    parser.add_argument('--height', type=positive_int, default=3000, help='default: 3000 pixels')
    parser.add_argument('--instances', type=positive_int, default=100, help='default: 100')
    parser.add_argument('--tile-size', type=positive_int, default=512, help='default: 512')
    parser.add_argument('--tile-overlap', type=float, default=0.25, help='default: 0.25')
    parser.add_argument(
        '--heads',
        nargs='+',
        choices=HEADS,
        default=['rle-mask-rcnn', 'rle-condinst'],
        metavar='HEAD',
        help='%(choices)s (default: the first two; the others need several GB)',
    )
    parser.add_argument(
        '--seed', type=non_negative_int, default=0, help='of the objects (default: 0)'
    )
    parser.add_argument('--json', metavar='FILE', help='write the figures, "-": standard output')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if not Path('/proc/self/status').is_file():
        raise InputError('/proc/self/status does not exist; run this script on Linux.')
    figures = []
    for name in args.heads:
        for tile_size in (None, args.tile_size):
            with multiprocessing.get_context('spawn').Pool(1) as pool:
                figures.append(pool.apply(measure_quietly, (args, name, tile_size)))
    print(format_table(figures), file=sys.stderr if args.json == '-' else sys.stdout)
    if args.json:
        write_json(args.json, figures)


if __name__ == '__main__':
    run_script(main)
