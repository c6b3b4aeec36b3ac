"""What something costs a training step: two models of one detector take the same steps in turn."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch import nn

from mmsniper.utils.arguments import non_negative_int, positive_int
from mmsniper.utils.json_file import write_json

NUM_CLASSES = 80


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


def step_seconds(model: nn.Module, batch: dict, seed: int, amp: bool = False) -> float:
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


def compare_in_turn(
    models: Sequence[nn.Module], batch: dict, args: argparse.Namespace
) -> tuple[float, float, float]:
    """The median step of each of two models in milliseconds, and the median of their ratios.

    Args:
        models: The one without and the one with what is measured.
        batch: Of :func:`chips`.
        args: Of :func:`add_arguments`.
    """
    steps = []
    for step in range(args.warm_up + args.steps):
        order = (0, 1) if step % 2 else (1, 0)  # neither has always the other's caches
        found = {index: step_seconds(models[index], batch, step, args.amp) for index in order}
        if step >= args.warm_up:
            steps.append((found[0], found[1]))
    without, with_it = (statistics.median(column) * 1e3 for column in zip(*steps))
    return without, with_it, statistics.median(second / first for first, second in steps)


def run_benchmark(
    args: argparse.Namespace,
    measured: str,
    compare: Callable[[str, argparse.Namespace], tuple[float, float, float]],
) -> None:
    """Compare the detectors that are asked for, print a table, and write the figures if wanted.

    Args:
        args: Of :func:`add_arguments`.
        measured: What is measured, a word.
        compare: Gives what :func:`compare_in_turn` gives, of a detector by its name.
    """
    init_default_scope('mmdet')
    MMLogger.get_current_instance().setLevel('WARNING')  # or the start of each weight is told
    torch.set_num_threads(1)
    figures: list[dict[str, Any]] = []
    print(*(f'{word:>11}' for word in ('detector', 'plain ms', f'{measured} ms', 'ratio')))
    for name in args.detectors:
        plain, with_it, ratio = compare(name, args)
        print(f'{name:>11} {plain:11.1f} {with_it:11.1f} {ratio:11.3f}', flush=True)
        figures.append(
            {'detector': name, 'plain_ms': plain, f'{measured}_ms': with_it, 'ratio': ratio}
        )
    if args.json:
        write_json(args.json, figures)


def add_arguments(parser: argparse.ArgumentParser, detectors: Sequence[str]) -> None:
    """What all benchmarks of steps can be asked.

    Args:
        parser: Takes them.
        detectors: Names of the known ones, all of which are measured by default.
    """
    add = parser.add_argument
    add('--detectors', nargs='+', choices=detectors, default=list(detectors))
    add('--size', type=positive_int, default=512, help='side of a chip in pixels')
    add('--chips', type=positive_int, default=2, help='of a batch')
    add('--boxes', type=positive_int, default=20, help='of a chip, each kind')
    add('--steps', type=positive_int, default=40)
    add('--warm-up', type=non_negative_int, default=5, help='steps not counted')
    add('--device', default='cpu', help='such as cuda (default: cpu)')
    add('--amp', action='store_true', help='in mixed precision')
    add('--seed', type=non_negative_int, default=0)
    add('--json', metavar='FILE', help="write figures; '-' is standard output")
