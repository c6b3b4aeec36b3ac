"""One config of the zoo on trial: made to train on chips, then tried in small on a CPU."""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config, ConfigDict
from torch import nn

from mmsniper.conversion import Recipe, convert
from mmsniper.conversion.ignoring import plan_ignoring
from mmsniper.datasets.nesting import nested_configs

from .fake_data import FakeData
from .ignore_check import check_ignoring
from .scope import ZooConfig, zoo_folder
from .shrink import shrink
from .small_run import small_runner, test, train

STEPS = ('sniperized', 'built', 'trained', 'tested', 'ignored')
CHIP_SIZE = 128
# Of the drawn images, with objects out of range at each of the two levels.
LEVELS = (1.0, 0.5)
VALID_RANGES = ((-1.0, 50.0), (40.0, -1.0))


@dataclass
class Result:
    """How far a config came.

    Args:
        config: Which one.
        train: Whether it was to go on to training, test and ignore check.
        passed: Those of ``STEPS`` that it passed.
        failure: The step that failed and how, as one sentence; empty where none did.
        upstream: Why the detector cannot even be built as MMDetection's own config has it.
        ignoring: 'ignore' or 'erase': what becomes of objects out of range.
        reason: Why so.
        num_chips: How many chips the drawn images make.
        losses: The sum of the losses of each training step.
        metrics: What the metric of the test said.
        seconds: How long it took.
    """

    config: ZooConfig
    train: bool = False
    passed: list[str] = field(default_factory=list)
    failure: str = ''
    upstream: str = ''
    ignoring: str = ''
    reason: str = ''
    num_chips: int = 0
    losses: list[float] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def steps(self) -> tuple[str, ...]:
        """Those that it was to pass."""
        return STEPS if self.train else STEPS[:2]

    @property
    def ok(self) -> bool:
        """Whether it passed all that it was to."""
        return not self.failure and len(self.passed) == len(self.steps)

    @property
    def excuse(self) -> str:
        """What stopped it that sniperizing has no part in; empty where nothing of that kind did."""
        if found := re.search(r'(\w+): implementation for device cpu not found', self.failure):
            return f'it needs a GPU: MMCV has no {found[1]} for CPUs'
        if self.upstream and self.upstream in self.failure:
            return f'MMDetection itself cannot build the model: {self.upstream}'
        return ''


def try_config(config: ZooConfig, data: FakeData, train: bool) -> Result:
    """Put a config on trial; whatever goes wrong becomes part of the result.

    Args:
        config: One in scope whose packages are there.
        data: The images.
        train: Whether to go on after the dataset is built: training, test and ignore check.
    """
    result = Result(config, train)
    start = time.perf_counter()
    try:
        for step in _steps(result, data):
            result.passed.append(step)
    except Exception as error:  # any: it is the outcome of the trial
        step = result.steps[len(result.passed)]
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f'{Path(place.filename).name}:{place.lineno}'
        result.failure = f'{step}: {_sentence(error)} ({where})'
        if step == 'trained':
            result.upstream = _upstream_error(config)
    result.seconds = time.perf_counter() - start
    return result


def _sentence(error: Exception) -> str:
    return f'{type(error).__name__}: {" ".join(str(error).split())[:300]}'


def _upstream_error(config: ZooConfig) -> str:
    """Why MMDetection cannot build the detector of its own config, or nothing."""
    try:
        MODELS.build(Config.fromfile(zoo_folder() / config.name).model)
    except Exception as error:  # any: it is what is asked for
        return _sentence(error)
    return ''


def _steps(result: Result, data: FakeData) -> Iterator[str]:
    """The steps of a trial, each given after it is passed."""
    source = Config.fromfile(zoo_folder() / result.config.name)
    data.give_to(source)
    config, _ = convert(source, recipe())
    again, _ = convert(config)
    if again.to_dict() != config.to_dict():
        raise RuntimeError('sniperizing its own output changes it')
    plan = plan_ignoring(source.model)
    result.ignoring, result.reason = plan.mode, plan.reason
    yield 'sniperized'

    dataset = DATASETS.build(config.train_dataloader.dataset)
    result.num_chips = len(dataset)
    dataset[0]
    yield 'built'
    if not result.train:
        return

    config.model = shrink(config.model, CHIP_SIZE)
    with small_runner(config) as runner:
        _compare_weights(runner.model, shrink(source.model, CHIP_SIZE))
        result.losses = train(runner)
        yield 'trained'
        result.metrics = test(runner, len(data.images), len(LEVELS))
        yield 'tested'

    report = check_ignoring(config.model, ignoring_mode(config), size=CHIP_SIZE)
    if not report.passed:
        raise RuntimeError('; '.join(report.sentences))
    yield 'ignored'


def ignoring_mode(config: Config) -> str:
    """What the training pipeline of a config really does with objects out of range.

    Args:
        config: One that trains on chips.
    """
    for dataset in nested_configs(config.train_dataloader.dataset):
        for step in dataset.get('pipeline') or ():
            if step['type'] == 'ScaleNormalize':
                return step.get('mode', 'ignore')
    raise RuntimeError('no pipeline of the training has ScaleNormalize')


def recipe() -> Recipe:
    """Chips of the drawn images."""
    return Recipe(
        levels=LEVELS,
        valid_ranges=VALID_RANGES,
        test_levels=LEVELS,
        test_valid_ranges=VALID_RANGES,
        chip_size=CHIP_SIZE,
        stride=32,
        chips_per_image=3.0,
    )


def _compare_weights(model: nn.Module, source: ConfigDict) -> None:
    """See that checkpoints of MMDetection's own detector fit the one that trains on chips.

    Raises:
        RuntimeError: A weight is missing, unexpected or of another shape.
    """
    ours = {name: value.shape for name, value in model.state_dict().items()}
    theirs = {name: value.shape for name, value in MODELS.build(source).state_dict().items()}
    different = sorted(name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name))
    if different:
        raise RuntimeError(
            f'{len(different)} weights are not those of the detector before, such as {different[0]}'
        )
