"""Measure what it costs a training step that a detector ignores by itself.

The same tiny detector takes the same steps, forward and backward, with MMDetection's own head and
with IgnoreAwareHead, in turn. The chips are noise with drawn boxes, half of them ignored, which
MMDetection's own head learns as background. With --without-ignored no box is.

On a CPU the processor's time is taken, which other processes hardly disturb; on a GPU it is the
time until the GPU is done.
"""

import argparse
from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmengine.config import Config

import mmsniper  # noqa: F401 (registers the heads)
from mmsniper.conversion import Changes
from mmsniper.conversion.own_data import set_num_classes
from mmsniper.experiments.benchmarks.training_steps import (
    NUM_CLASSES,
    add_arguments,
    chips,
    compare_in_turn,
    run_benchmark,
)
from mmsniper.utils.script import run_script

SUITES = Path(__file__).resolve().parent / 'suites/_base_/models'
DETECTORS = dict(fcos='fcos_r18_fpn_tiny', yolox='yolox_nano', dino='dino_r18_tiny')


def built(name: str, aware: bool, args: argparse.Namespace) -> torch.nn.Module:
    """A detector with the one head or the other, of the same weights."""
    model = Config.fromfile(SUITES / f'{DETECTORS[name]}.py').model
    set_num_classes(model, NUM_CLASSES, Changes())
    if not aware:
        model.bbox_head.type = model.bbox_head.pop('head')
    model.backbone.init_cfg = None
    torch.manual_seed(args.seed)
    model = MODELS.build(model)
    model.init_weights()  # or some hold whatever is in memory
    return model.to(args.device).train()


def compare(name: str, args: argparse.Namespace) -> tuple[float, float, float]:
    """The median step of each head in milliseconds, and the median of their ratios."""
    models = [built(name, aware, args) for aware in (False, True)]
    batch = chips(args.size, args.chips, args.boxes, not args.without_ignored, args.seed)
    return compare_in_turn(models, batch, args)


def main() -> None:
    run_benchmark(parse_args(), 'aware', compare)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, list(DETECTORS))
    parser.add_argument('--without-ignored', action='store_true', help='no box is ignored')
    return parser.parse_args()


if __name__ == '__main__':
    run_script(main)
