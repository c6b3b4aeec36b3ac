"""All configs of the zoo on trial, some of them to the end."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from mmsniper.errors import InputError
from mmsniper.utils.workers import Died, work

from .scope import ZooConfig
from .trial import Result

TIMEOUT = 600.0


def choose_trials(configs: Iterable[ZooConfig], every_detector: bool = False) -> set[str]:
    """The names of the configs that are trained and tested.

    Args:
        configs: All that could be.
        every_detector: Whether each family has one of every combination of detector and heads, or
            just one. Every backbone and type of dataset is in one of them in any case.
    """
    chosen, seen = set(), set()
    for config in configs:
        if not config.in_scope or config.needs:
            continue
        keys = {('family', config.family), ('backbone', config.backbone)}
        keys.add(('dataset', config.dataset))
        if every_detector:
            keys.add(('heads', config.family, config.heads))
        if not keys <= seen:
            chosen.add(config.name)
            seen |= keys
    return chosen


def run_matrix(
    configs: Sequence[ZooConfig],
    trained: set[str],
    folder: Path,
    journal: Path,
    num_processes: int = 1,
    on_result: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Put configs on trial in other processes, each with one thread.

    Args:
        configs: Any; those out of scope, or whose packages are missing, are left out.
        trained: The names of those that go on to training, test and ignore check.
        folder: Where to draw the images.
        journal: A file that each result is appended to, and that those of an interrupted run are
            taken from.
        num_processes: How many at a time.
        on_result: Called with each as soon as it is there, those of the journal first.

    Returns:
        list: The results, in the order of the configs.

    Raises:
        InputError: The journal is none of this matrix.
    """
    results = {}
    for result in _read_journal(journal):
        results[result.config.name] = result
    todo = []
    for config in configs:
        if config.in_scope and not config.needs:
            train = config.name in trained
            known = results.get(config.name)
            if known is None or known.train != train or known.config != config:
                todo.append((config, train, folder))
            else:
                on_result(known)
    todo.sort(key=lambda task: not task[1])  # what takes longest first
    journal.parent.mkdir(parents=True, exist_ok=True)
    threads = os.environ.get('OMP_NUM_THREADS')
    os.environ['OMP_NUM_THREADS'] = '1'  # of the processes to come
    try:
        for index, result in work(_try, todo, num_processes, TIMEOUT):
            config, train, _ = todo[index]
            if isinstance(result, Died):
                result = Result(config, train=train, failure=f'trial: {result.reason}')
            results[config.name] = result
            with open(journal, 'a') as file:
                file.write(json.dumps(asdict(result)) + '\n')
            on_result(result)
    finally:
        os.environ.pop('OMP_NUM_THREADS')
        if threads is not None:
            os.environ['OMP_NUM_THREADS'] = threads
    return [results[config.name] for config in configs if config.name in results]


def _read_journal(journal: Path) -> list[Result]:
    if not journal.is_file():
        return []
    results = []
    for number, line in enumerate(journal.read_text().splitlines(), 1):
        try:
            entry = json.loads(line)
            config = entry.pop('config')
            config['heads'] = tuple(config['heads'])
            results.append(Result(ZooConfig(**config), **entry))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f'line {number} of {journal} is no result of a trial: delete the file to begin anew'
            ) from error
    return results


def _try(task: tuple[ZooConfig, bool, Path]) -> Result:
    """What another process does with a config."""
    config, train, folder = task
    from .trial import try_config  # after the number of threads is set

    return try_config(config, _prepare(folder), train)


@lru_cache(maxsize=1)
def _prepare(folder: Path):
    """Once in each process: the names of MMDetection, and the images."""
    from mmdet.utils import register_all_modules

    from .fake_data import FakeData

    warnings.filterwarnings('ignore')
    register_all_modules(init_default_scope=True)
    return FakeData(folder / str(os.getpid()))
