"""The check that a detector does not learn from objects out of range, one for all families."""

from __future__ import annotations

import copy
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from mmdet.registry import MODELS
from mmengine.logging import MessageHub, MMLogger
from torch import nn

from .gradients import PriorGradients
from .ignore_scene import IgnoreScene
from .prior_gradients import watch

LATER_EPOCH = 10**6
GRADIENT_TOLERANCE = 1e-6


@dataclass(frozen=True)
class IgnoreReport:
    """What the check of a detector found.

    Attributes:
        mode (str): How the detector ignores, ``'ignore'`` or ``'erase'``.
        out_of_range_class_is_free (bool): The loss does not depend on the class of the object that
            is out of range.
        in_range_class_counts (bool): It, or at least its gradient, does depend on that of the
            object in range, or on that object's being there if the detector knows one class only.
        out_of_range_is_left_out (bool): Ignoring: outputs for priors on the object get no gradient.
            Erasing: none of its pixels is in the input, and all of the other object's are.
        check_can_fail (bool): With ``mode='drop'``, or where this changes nothing ``'keep'``, the
            former is found not to hold.
        sentences (tuple[str, ...]): What was found for each of the four.
    """

    mode: str
    out_of_range_class_is_free: bool
    in_range_class_counts: bool
    out_of_range_is_left_out: bool
    check_can_fail: bool
    sentences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether all four hold."""
        return (
            self.out_of_range_class_is_free
            and self.in_range_class_counts
            and self.out_of_range_is_left_out
            and self.check_can_fail
        )


def check_ignoring(
    model: nn.Module | dict, mode: str, size: int = 256, seed: int = 0
) -> IgnoreReport:
    """Check that a detector leaves objects out of range out of what it learns.

    All but what is compared is kept the same: weights, statistics, random numbers, pixels.

    Args:
        model (nn.Module | dict): The detector, or its config without anything to download. It stays
            as it is; for ``'ignore'`` its assigners have to be wrapped already.
        mode (str): How it ignores, ``'ignore'`` or ``'erase'``.
        size (int): Side of the image in pixels. Defaults to 256.
        seed (int): Of the image, the weights of a detector from a config, and the losses. Defaults
            to 0.

    Returns:
        IgnoreReport: What was found. Failing is a finding and raises nothing.
    """
    check = _Check(_built(model, seed), mode, size, seed)
    findings = [check.class_is_free(), check.class_counts(), check.is_left_out(), check.can_fail()]
    return IgnoreReport(
        mode, *(holds for holds, _ in findings), tuple(sentence for _, sentence in findings)
    )


def _built(model: nn.Module | dict, seed: int) -> nn.Module:
    if isinstance(model, nn.Module):
        return model
    _fix_chance(seed)
    model = MODELS.build(copy.deepcopy(model))
    with _warnings_alone():  # or the start of every weight is told of
        model.init_weights()
    return model


@contextmanager
def _warnings_alone() -> Iterator[None]:
    # Not by logging.disable, whose end a logger of mmengine never hears of.
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Check:
    """The parts of the check; each returns whether something holds and a sentence about it."""

    def __init__(self, model: nn.Module, mode: str, size: int, seed: int) -> None:
        self.model, self.mode, self.seed = model, mode, seed
        self.scene = IgnoreScene(size, seed)
        # TOOD has another assigner in its first epochs.
        has_later = self._has('initial_epoch')
        self.epochs = (0, LATER_EPOCH) if has_later else (0,)
        self.annotations = dict(
            with_masks=self._has('loss_mask'),
            with_segmentation=getattr(model.data_preprocessor, 'pad_seg', False),
        )
        self.plain = self._losses(mode)

    def class_is_free(self) -> tuple[bool, str]:
        free = self._losses(self.mode, labels=(0, 1)) == self.plain
        effect = 'does not change' if free else 'changes'
        return free, f'the loss {effect} with the class of the object out of range'

    def class_counts(self) -> tuple[bool, str]:
        if self._num_classes() > 1:
            change, what = dict(labels=(1, 0)), 'the class of the object in range'
        else:
            change = dict(with_in_range=False)
            what = 'whether the object in range is there, as there is one class only'
        if self._losses(self.mode, **change) != self.plain:
            return True, f'the loss changes with {what}'
        # Targets that are rated by the IoU of an untrained detector can be too small to show in a
        # sum, but the weights move otherwise.
        before, after = self._weight_gradients(), self._weight_gradients(**change)
        moved = (before - after).abs().max() > GRADIENT_TOLERANCE * before.abs().max()
        return bool(moved), (
            f'the loss does not change with {what}'
            + (', but its gradient on the weights does' if moved else '')
        )

    def is_left_out(self) -> tuple[bool, str]:
        if self.mode == 'erase':
            return self._pixels(self.mode)
        found = self._gradients(self.mode)
        # Without any prior on the object nothing would be shown.
        left_out = bool(found) and all(part.priors and not part.learnt for part in found)
        return left_out, _sentence(found)

    def can_fail(self) -> tuple[bool, str]:
        if self.mode == 'erase':
            left_out, sentence = self._pixels('drop')
            return not left_out, f"with mode='drop' {sentence}"
        found = self._gradients('drop')
        sentence = f"with mode='drop' {_sentence(found)}"
        if found and not all(part.learnt for part in found):
            # CrowdDet's RPN learns no background that is far from all objects.
            kept = self._gradients('keep')
            sentence += f"; with mode='keep' {_sentence(kept)}"
            found = [max(pair, key=lambda part: part.learnt) for pair in zip(found, kept)]
        # In every part of the detector, or the check says nothing about it.
        fails = bool(found) and all(part.learnt for part in found)
        return fails, sentence

    def _pixels(self, mode: str) -> tuple[bool, str]:
        chip = self.scene.chip(mode)
        left_out, kept = self.scene.pixels_left_out(chip), self.scene.pixels_kept(chip)
        return left_out and kept, (
            f'{"no pixel" if left_out else "some pixels"} of the object out of range '
            f'{"is" if left_out else "are"} in the input, and {"all" if kept else "not all"} '
            'pixels of the object in range'
        )

    def _gradients(self, mode: str) -> list[PriorGradients]:
        found = []
        for epoch in self.epochs:
            model = copy.deepcopy(self.model)
            report = watch(
                model,
                torch.from_numpy(self.scene.out_of_range),
                torch.from_numpy(self.scene.in_range),
                self.scene.proposals(),
            )
            self._loss(model, self._chip(mode), epoch).backward()
            found += report()
        return found

    def _losses(
        self, mode: str, labels: tuple[int, int] = (0, 0), with_in_range: bool = True
    ) -> list[float]:
        """The total loss in each of the epochs."""
        losses = []
        for epoch in self.epochs:
            chip = self._chip(mode, labels, with_in_range)
            with torch.no_grad():
                losses.append(self._loss(copy.deepcopy(self.model), chip, epoch).item())
        return losses

    def _weight_gradients(self, **change) -> torch.Tensor:
        """The gradients of the loss on all weights, flat, in the last of the epochs."""
        model = copy.deepcopy(self.model)
        self._loss(model, self._chip(self.mode, **change), self.epochs[-1]).backward()
        gradients = [part.grad.flatten() for part in model.parameters() if part.grad is not None]
        return torch.cat(gradients)

    def _chip(
        self, mode: str, labels: tuple[int, int] = (0, 0), with_in_range: bool = True
    ) -> dict:
        chip = self.scene.chip(mode, labels, **self.annotations)
        if not with_in_range:
            sample = chip['data_samples']
            sample.gt_instances = sample.gt_instances[1:]
        return chip

    def _loss(self, model: nn.Module, chip: dict, epoch: int) -> torch.Tensor:
        model.train()
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.register_forward_pre_hook(_without_statistics_of_one)
        batch = dict(inputs=[chip['inputs']], data_samples=[chip['data_samples']])
        _fix_chance(self.seed)
        with _training_state(epoch):
            losses = model(**model.data_preprocessor(batch, training=True), mode='loss')
        return model.parse_losses(losses)[0]

    def _has(self, prefix: str) -> bool:
        """Whether any module has an attribute that begins so."""
        return any(_has_attribute(module, prefix) for module in self.model.modules())

    def _num_classes(self) -> int:
        """Of the head that knows most of them, which is not an RPN if there is any other."""
        heads = (part for name, part in self.model.named_children() if name.endswith('head'))
        return max(
            getattr(module, name, None) or 1
            for head in heads
            for module in head.modules()
            for name in ('num_classes', 'num_things_classes')
        )


def _has_attribute(module: nn.Module, prefix: str) -> bool:
    # Modules within it are listed apart from its other attributes.
    return any(key.startswith(prefix) for key in (*vars(module), *module._modules))


def _sentence(found: list[PriorGradients]) -> str:
    if not found:
        return 'there is no head whose priors are known'
    parts = (f'{part.learnt} outputs of {part.head} for {part.priors} priors' for part in found)
    return f'on the object out of range {", ".join(parts)} got a gradient'


def _without_statistics_of_one(module: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
    # A pooled feature of one image has no variance to normalise by.
    if args[0].numel() == args[0].size(1):
        module.eval()


def _fix_chance(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@contextmanager
def _training_state(epoch: int) -> Iterator[None]:
    """Tell heads and preprocessors that ask for it in which epoch the training is."""
    hub = MessageHub.get_current_instance()
    before = {key: hub.get_info(key) for key in ('epoch', 'iter')}
    hub.update_info('epoch', epoch)
    hub.update_info('iter', 0)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                hub.runtime_info.pop(key)
            else:
                hub.update_info(key, value)
