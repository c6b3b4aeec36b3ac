"""Measure what it costs a training step that a detector ignores by itself.

The same tiny detector takes the same steps, forward and backward, with MMDetection's own head and
with IgnoreAwareHead, in turn. The chips are noise with drawn boxes, half of them ignored, which
MMDetection's own head learns as background. With --without-ignored no box is.

On a CPU the processor's time is taken, which other processes hardly disturb; on a GPU it is the
time until the GPU is done.
"""

import argparse
import logging
import statistics
import time
from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

import mmsniper  # noqa: F401 (registers the heads)
from mmsniper.experiments.benchmarks.run_config import set_num_classes
from mmsniper.utils.arguments import non_negative_int, positive_int
from mmsniper.utils.json_file import write_json
from mmsniper.utils.script import run_script

SUITES = Path(__file__).resolve().parent / 'suites/_base_/models'
DETECTORS = dict(fcos='fcos_r18_fpn_tiny', yolox='yolox_nano', dino='dino_r18_tiny')
NUM_CLASSES = 80


def built(name: str, aware: bool, seed: int, device: str = 'cpu') -> torch.nn.Module:
    """A detector with the one head or the other, of the same weights."""
    model = Config.fromfile(SUITES / f'{DETECTORS[name]}.py').model
    set_num_classes(model, NUM_CLASSES)
    if not aware:
        model.bbox_head.type = model.bbox_head.pop('head')
    model.backbone.init_cfg = None
    torch.manual_seed(seed)
    model = MODELS.build(model)
    model.init_weights()  # or some hold whatever is in memory
    return model.to(device).train()


def chips(size: int, number: int, boxes: int, ignored: bool, seed: int) -> dict:
    """A batch of chips, as a detector's data preprocessor gets it."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (number, 3, size, size), generator=generator, dtype=torch.uint8)
    samples = []
    for _ in range(number):
        sample = DetDataSample(
            metainfo=dict(img_shape=(size, size), ori_shape=(size, size), scale_factor=(1.0, 1.0))
        )
        drawn = []
        for _ in range(2):
            sides = torch.rand(boxes, 2, generator=generator) * size / 4 + 4
            corners = torch.rand(boxes, 2, generator=generator) * (size - sides)
            labels = torch.randint(NUM_CLASSES, (boxes,), generator=generator)
            drawn.append(
                InstanceData(bboxes=torch.cat([corners, corners + sides], 1), labels=labels)
            )
        sample.gt_instances = drawn[0]
        sample.ignored_instances = drawn[1] if ignored else drawn[1][:0]
        samples.append(sample)
    return dict(inputs=list(images), data_samples=samples)


def step_seconds(model: torch.nn.Module, batch: dict, seed: int, amp: bool = False) -> float:
    """The time of a step but the optimizer's."""
    data = model.data_preprocessor(batch, training=True)
    device = next(model.parameters()).device
    torch.manual_seed(seed)
    model.zero_grad()
    begin = now(device)
    with torch.autocast(device.type, enabled=amp):
        losses = model(**data, mode='loss')
    model.parse_losses(losses)[0].backward()
    return now(device) - begin


def now(device: torch.device) -> float:
    """Seconds on the clock of a device that has done all that it was told."""
    if device.type != 'cuda':
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def compare(name: str, args: argparse.Namespace) -> dict:
    """The median step of each head in milliseconds, and the median of their ratios."""
    models = [built(name, aware, args.seed, args.device) for aware in (False, True)]
    batch = chips(args.size, args.chips, args.boxes, not args.without_ignored, args.seed)
    steps = []
    for step in range(args.warm_up + args.steps):
        order = (0, 1) if step % 2 else (1, 0)  # neither has always the other's caches
        found = {index: step_seconds(models[index], batch, step, args.amp) for index in order}
        if step >= args.warm_up:
            steps.append((found[0], found[1]))
    plain, aware = (statistics.median(column) * 1e3 for column in zip(*steps))
    return dict(
        detector=name,
        plain_ms=plain,
        aware_ms=aware,
        ratio=statistics.median(second / first for first, second in steps),
    )


def main() -> None:
    args = parse_args()
    init_default_scope('mmdet')
    MMLogger.get_current_instance().setLevel(logging.WARNING)  # or the start of each weight is told
    torch.set_num_threads(1)
    figures = []
    print(*(f'{word:>10}' for word in ('detector', 'plain ms', 'aware ms', 'ratio')))
    for name in args.detectors:
        row = compare(name, args)
        print(
            f'{name:>10} {row["plain_ms"]:10.1f} {row["aware_ms"]:10.1f} {row["ratio"]:10.3f}',
            flush=True,
        )
        figures.append(row)
    if args.json:
        write_json(args.json, figures)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--detectors', nargs='+', choices=DETECTORS, default=list(DETECTORS))
    parser.add_argument('--size', type=positive_int, default=512, help='side of a chip in pixels')
    parser.add_argument('--chips', type=positive_int, default=2, help='of a batch')
    parser.add_argument('--boxes', type=positive_int, default=20, help='of a chip, each kind')
    parser.add_argument('--without-ignored', action='store_true', help='no box is ignored')
    parser.add_argument('--steps', type=positive_int, default=40)
    parser.add_argument('--warm-up', type=non_negative_int, default=5, help='steps not counted')
    parser.add_argument('--device', default='cpu', help='such as cuda (default: cpu)')
    parser.add_argument('--amp', action='store_true', help='in mixed precision')
    parser.add_argument('--seed', type=non_negative_int, default=0)
    parser.add_argument('--json', metavar='FILE', help="write figures; '-' is standard output")
    return parser.parse_args()


if __name__ == '__main__':
    run_script(main)
