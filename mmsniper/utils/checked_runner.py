"""mmengine's runner with a look at what would otherwise train or test without a word."""

from __future__ import annotations

import re
from typing import Any

from mmcv.cnn import VGG
from mmdet.models.detectors import RPN
from mmdet.models.roi_heads.mask_heads import FusedSemanticHead
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from ..errors import InputError


class CheckedRunner(Runner):
    """A runner that refuses checkpoints of other models, and models for other classes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_test = False
        self.register_hook(NumClassesHook(), priority='HIGHEST')

    def test(self) -> dict[str, float]:
        self._is_test = True
        return super().test()

    def load_checkpoint(self, filename: str, *args: Any, **kwargs: Any) -> dict:
        """Load a checkpoint, at least one tensor of which has to fit.

        Raises:
            InputError: None fits; or, in a test, none fits a whole part of the model (backbone,
                neck, head), which would be tested with random weights.
        """
        checkpoint = super().load_checkpoint(filename, *args, **kwargs)
        model = self.model.module if is_model_wrapper(self.model) else self.model
        state = checkpoint.get('state_dict', checkpoint)
        missing = unfit_parts(model, state)
        if missing and (self._is_test or len(missing) == len(learned_parts(model))):
            raise InputError(
                f'checkpoint {filename} is of another model than that of the config, '
                f'{type(model).__name__}: it has no tensor that fits {", ".join(missing)}'
            )
        return checkpoint


class NumClassesHook(Hook):
    """Stops a run whose model is for another number of classes than its data set has."""

    def before_train(self, runner: Runner) -> None:
        check_num_classes(runner.model, runner.train_dataloader.dataset, 'train_dataloader')
        if runner.val_loop is not None:
            check_num_classes(runner.model, runner.val_dataloader.dataset, 'val_dataloader')

    def before_test(self, runner: Runner) -> None:
        check_num_classes(runner.model, runner.test_dataloader.dataset, 'test_dataloader')


def check_num_classes(model: nn.Module, dataset: Any, loader: str) -> None:
    """Check that the heads of a model are for as many classes as a data set has.

    Heads without classes of their own (an RPN) and those for stuff are not looked at, nor is a data
    set for panoptic segmentation, whose heads share its classes.

    Args:
        model: The detector.
        dataset: A data set with ``metainfo``.
        loader: The key of its data loader in the config.

    Raises:
        InputError: A head has another ``num_classes``.
    """
    metainfo = getattr(dataset, 'metainfo', {})
    classes = metainfo.get('classes')
    if classes is None or 'thing_classes' in metainfo:
        return
    model = model.module if is_model_wrapper(model) else model
    if isinstance(model, RPN):  # objects and nothing else, whatever their class
        return
    if isinstance(classes, str):
        raise InputError(
            f'classes of {loader} is the word {classes!r}: write a tuple, ({classes!r},)'
        )
    for name, module in model.named_modules():
        number = getattr(module, 'num_classes', None)
        if not isinstance(number, int) or number == len(classes):
            continue
        if 'rpn_head' in name.split('.') or isinstance(module, (VGG, FusedSemanticHead)):
            continue
        raise InputError(
            f'model.{name} ({type(module).__name__}) has num_classes={number}, but the data set of '
            f'{loader} has {len(classes)} classes: set num_classes={len(classes)}, or classes in '
            'the metainfo of the data set'
        )


def learned_parts(model: nn.Module) -> dict[str, dict[str, tuple]]:
    """The parts of a model that hold parameters, each with their names and shapes."""
    parts: dict[str, dict[str, tuple]] = {}
    for name, parameter in model.named_parameters():
        parts.setdefault(name.split('.')[0], {})[name] = tuple(parameter.shape)
    return parts


def unfit_parts(model: nn.Module, state: dict) -> list[str]:
    """The parts of a model that no tensor of a checkpoint has the name and shape of."""
    shapes = {
        re.sub(r'^module\.', '', name): tuple(getattr(tensor, 'shape', ()))
        for name, tensor in state.items()
    }
    return [
        part
        for part, parameters in learned_parts(model).items()
        if not any(shapes.get(name) == shape for name, shape in parameters.items())
    ]
