"""Measure what a focus head costs a training step.

The same detector takes the same steps, forward and backward, without and with the head that
sniperize --focus gives it, in turn. The chips are noise with drawn boxes, half of them ignored.
"""

import argparse

import torch
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict

from mmsniper import config_path
from mmsniper.conversion.focus import head_settings
from mmsniper.experiments.benchmarks.training_steps import (
    add_arguments,
    chips,
    compare_in_turn,
    run_benchmark,
)
from mmsniper.utils.script import run_script

DETECTORS = dict(
    atss='_base_/models/atss_r18_fpn_tiny.py',
    faster_rcnn='_base_/models/faster-rcnn_r50_fpn_sniper.py',
)


def built(model: ConfigDict, head: dict, args: argparse.Namespace) -> torch.nn.Module:
    """A detector, with a focus head if there are settings for one."""
    model = dict(model)
    if head:
        model.update(type='FocusDetector', detector=model['type'], focus_head=head)
    torch.manual_seed(args.seed)
    model = MODELS.build(ConfigDict(model))
    model.init_weights()
    return model.to(args.device).train()


def compare(name: str, args: argparse.Namespace) -> tuple[float, float, float]:
    """The median step without and with it in milliseconds, and the median of their ratios."""
    model = Config.fromfile(config_path(DETECTORS[name])).model
    model.backbone.init_cfg = None
    if 'rcnn' in model.train_cfg:  # the noise has no valid range
        model.train_cfg.rcnn.assigner.use_proposal_size = False
    head = dict(type='FocusHead', **head_settings(model))
    models = [built(model, settings, args) for settings in ({}, head)]
    batch = chips(args.size, args.chips, args.boxes, True, args.seed)
    return compare_in_turn(models, batch, args)


def main() -> None:
    run_benchmark(parse_args(), 'focus', compare)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, list(DETECTORS))
    return parser.parse_args()


if __name__ == '__main__':
    run_script(main)
