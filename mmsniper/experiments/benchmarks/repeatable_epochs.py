"""Epochs whose randomness does not depend on what ran before them."""

from __future__ import annotations

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import set_random_seed


@HOOKS.register_module()
class RepeatableEpochsHook(Hook):
    """Seeds all random generators of the process at the start of each training epoch.

    mmengine seeds them once, at the start of the process, so that a resumed training draws other
    numbers than an uninterrupted one. With this hook, and with data loading in the main process or
    in workers that end with the epoch, both draw the same and end with the same weights.

    Args:
        seed (int): Seed of the training.
    """

    priority = 'VERY_HIGH'

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def before_train_epoch(self, runner) -> None:
        """Seed the generators with the training's seed and the epoch."""
        set_random_seed(1000 * self.seed + runner.epoch)
