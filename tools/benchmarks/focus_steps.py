"""Measure what a focus head costs a training step.

The same detector takes the same steps, forward and backward, without and with the head that
sniperize --focus gives it, in turn. The chips are noise with drawn boxes, half of them ignored.
"""

import argparse
import statistics

import torch
from ignoring_steps import chips, step_seconds
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

from mmsniper import config_path
from mmsniper.conversion.focus import head_settings
from mmsniper.utils.arguments import non_negative_int, positive_int
from mmsniper.utils.json_file import write_json
from mmsniper.utils.script import run_script

DETECTORS = dict(
    atss='_base_/models/atss_r18_fpn_tiny.py',
    faster_rcnn='_base_/models/faster-rcnn_r50_fpn_sniper.py',
)


def built(model: ConfigDict, head: dict, seed: int) -> torch.nn.Module:
    """A detector, with a focus head if there are settings for one."""
    model = dict(model)
    if head:
        model.update(type='FocusDetector', detector=model['type'], focus_head=head)
    torch.manual_seed(seed)
    model = MODELS.build(ConfigDict(model))
    model.init_weights()
    return model.train()


def compare(name: str, args: argparse.Namespace) -> dict:
    """The median step without and with it in milliseconds, and the median of their ratios."""
    model = Config.fromfile(config_path(DETECTORS[name])).model
    model.backbone.init_cfg = None
    if 'rcnn' in model.train_cfg:  # the noise has no valid range
        model.train_cfg.rcnn.assigner.use_proposal_size = False
    head = dict(type='FocusHead', **head_settings(model))
    models = [built(model, settings, args.seed) for settings in ({}, head)]
    batch = chips(args.size, args.chips, args.boxes, True, args.seed)
    steps = []
    for step in range(args.warm_up + args.steps):
        order = (0, 1) if step % 2 else (1, 0)  # neither has always the other's caches
        found = {index: step_seconds(models[index], batch, step) for index in order}
        if step >= args.warm_up:
            steps.append((found[0], found[1]))
    plain, focus = (statistics.median(column) * 1e3 for column in zip(*steps))
    return dict(
        detector=name,
        plain_ms=plain,
        focus_ms=focus,
        ratio=statistics.median(second / first for first, second in steps),
    )


def main() -> None:
    args = parse_args()
    init_default_scope('mmdet')
    MMLogger.get_current_instance().setLevel('WARNING')  # or the start of each weight is told
    torch.set_num_threads(1)
    figures = []
    print(*(f'{word:>11}' for word in ('detector', 'plain ms', 'focus ms', 'ratio')))
    for name in args.detectors:
        row = compare(name, args)
        print(
            f'{name:>11} {row["plain_ms"]:11.1f} {row["focus_ms"]:11.1f} {row["ratio"]:11.3f}',
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
    parser.add_argument('--steps', type=positive_int, default=40)
    parser.add_argument('--warm-up', type=non_negative_int, default=5, help='steps not counted')
    parser.add_argument('--seed', type=non_negative_int, default=0)
    parser.add_argument('--json', metavar='FILE', help="write figures; '-' is standard output")
    return parser.parse_args()


if __name__ == '__main__':
    run_script(main)
