"""What all runs of a comparison come to: mean and spread over seeds, of figures and of costs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .figures import columns, figure, spread
from .run import RESULT, has_all_tests
from .suite import Suite


def collect(suite: Suite, out_dir: Path) -> list[dict[str, Any]]:
    """The results of all finished runs of a comparison, by recipe and seed."""
    found = [json.loads(path.read_text()) for path in out_dir.glob(f'runs/*/seed_*/{RESULT}')]
    order = list(suite.recipes)
    found = [each for each in found if each['recipe'] in order and has_all_tests(suite, each)]
    return sorted(found, key=lambda result: (order.index(result['recipe']), result['seed']))


def summarise(suite: Suite, results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry for each recipe and test.

    Returns:
        list[dict[str, Any]]: ``recipe``, ``test``, ``seeds``, ``test_mpx`` (per image, the mean),
        ``testing`` (see :func:`testing_costs`), ``costs`` and ``figures``, each a :func:`spread`;
        figures in percent.
    """
    summary = []
    for recipe in suite.recipes:
        runs = [result for result in results if result['recipe'] == recipe]
        for test in suite.tests_of(recipe) if runs else ():
            tests = [run['tests'][test] for run in runs]
            spent = [costs(run) for run in runs]
            testing = testing_costs(suite, runs, test)
            summary.append(
                dict(
                    recipe=recipe,
                    test=test,
                    seeds=[run['seed'] for run in runs],
                    test_mpx=testing['test_mpx']['mean'],
                    testing=testing,
                    costs={name: spread([cost[name] for cost in spent]) for name in COSTS},
                    figures={
                        name: spread([figure(t['metrics'], name) for t in tests])
                        for name in columns(suite)
                    },
                )
            )
    return summary


#: What a test costs per image.
TEST_COSTS = {'test_mpx': 'Mpx', 'test_seconds': 's', 'test_cpu_seconds': 'CPU s'}


def testing_costs(suite: Suite, runs: Sequence[dict[str, Any]], test: str) -> dict[str, Any]:
    """What a test costs per image, and as a share of what the whole test of the same run costs.

    Returns:
        dict[str, Any]: A :func:`spread` for each of ``TEST_COSTS`` and, where the suite has a
        ``whole_test``, ``..._share`` in percent and ``change``, of the headline in points.
    """
    pairs = [(run['tests'][test], run['tests'].get(suite.whole_test)) for run in runs]
    found = {key: spread([per_image(ours, key) for ours, _ in pairs]) for key in TEST_COSTS}
    if suite.whole_test is None:
        return found
    for key in TEST_COSTS:
        costs = [(per_image(ours, key), per_image(whole, key)) for ours, whole in pairs]
        found[f'{key}_share'] = spread([100 * a / b if a and b else None for a, b in costs])
    figures = [[figure(t['metrics'], suite.headline) for t in pair] for pair in pairs]
    found['change'] = spread([a - b if None not in (a, b) else None for a, b in figures])
    return found


def per_image(test: dict[str, Any], key: str) -> float | None:
    """A cost of a test per image, or None where it was not recorded."""
    value = test.get(key)
    return None if value is None else value / test['test_images']


COSTS = {
    'trained_mpx': 'trained Mpx',
    'proposal_mpx': 'RPN stage Mpx',
    'train_seconds': 'training s',
    'wall_seconds': 'whole run s',
}


def costs(run: dict[str, Any]) -> dict[str, float]:
    """What a run cost: see ``COSTS`` for the words."""
    return dict(
        trained_mpx=run['training']['trained_mpx'],
        proposal_mpx=run['proposals']['trained_mpx'] if run['proposals'] else 0.0,
        train_seconds=run['training']['seconds'],
        wall_seconds=sum(run['wall_seconds'].values()),
    )
