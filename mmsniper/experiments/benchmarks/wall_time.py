"""Budgets of equal training time instead of equal pixels."""

from __future__ import annotations

import dataclasses
import json
import statistics

from mmsniper.errors import InputError
from mmsniper.utils.claim import claim
from mmsniper.utils.json_file import write_json

from .budget import Budget
from .run import Run
from .suite import Suite

#: The first round warms up, the others are measured.
PROBE_ROUNDS, PROBE_STEPS = 4, 10


def equal_time(run: Run) -> Suite:
    """The run's suite with as many steps as its recipe does in the suite's ``wall_time``.

    The time of a step is measured once, by a short training without negative chips, which do not
    change it, and kept in ``speed.json`` of the recipe's folder. So all seeds of a recipe have the
    same steps, and a resumed comparison has those that it was begun with.

    Args:
        run (Run): Any run of the recipe.

    Returns:
        Suite: For this recipe. Training and data loading last ``wall_time`` seconds; what makes
        negative chips, validations and tests are not counted, as little as in pixels.

    Raises:
        InputError: The short training fails, the time is too short for a training, or another
            process is measuring.
    """
    suite, folder = run.suite, run.folder.parent
    path = folder / 'speed.json'
    with claim(folder) as claimed:
        if not path.is_file():
            if claimed is None:
                raise InputError(
                    f'another process measures the speed of {run.recipe}: call again with --resume'
                )
            write_json(path, dict(seconds_per_step=seconds_per_step(run)))
    speed = json.loads(path.read_text())['seconds_per_step']
    steps = round(suite.wall_time / speed / suite.budget.rounds)
    if steps < 1:
        raise InputError(
            f'--wall-time {suite.wall_time:g} is too short: {run.recipe} takes {speed:.2f} s for a '
            f'step and has {suite.budget.rounds} rounds'
        )
    budget = dataclasses.replace(suite.budget, steps_per_round=steps)
    return dataclasses.replace(suite, budget=budget)


def seconds_per_step(run: Run) -> float:
    """What a training step of a run takes, with the suite's pixels."""
    suite = run.suite
    recipe = dataclasses.replace(
        suite.recipes[run.recipe], negatives='none', extra_negatives=False, step_factor=1.0
    )
    budget = Budget(suite.budget.step_mpx, PROBE_STEPS, PROBE_ROUNDS, 1)
    probe = dataclasses.replace(
        run,
        suite=dataclasses.replace(
            suite, recipes={**suite.recipes, run.recipe: recipe}, budget=budget
        ),
        folder=run.folder.parent / 'speed',
    )
    return statistics.median(probe.round_seconds()[1:]) / PROBE_STEPS
