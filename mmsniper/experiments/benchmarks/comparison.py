"""All runs of a suite, several at once."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from mmsniper.errors import InputError
from mmsniper.utils.claim import claim
from mmsniper.utils.json_file import write_json

from .run import Run
from .suite import Suite

SETTINGS = 'settings.json'


def open_folder(out_dir: Path, suite: Suite, resume: bool) -> None:
    """Make the folder of a comparison, or see that it is one of the same suite and settings.

    Raises:
        InputError: It is something else, or one that is not to be gone on with.
    """
    if out_dir.exists() and not out_dir.is_dir():
        raise InputError(f'--out-dir {out_dir} is a file: name a folder')
    path = out_dir / SETTINGS
    figures = json.loads(json.dumps(suite.figures()))
    if not path.is_file():
        if out_dir.is_dir() and any(out_dir.iterdir()):
            raise InputError(f'--out-dir {out_dir} holds something else: name another folder')
        write_json(path, figures)
        return
    begun = json.loads(path.read_text())
    # As other tests than the one during the training were once written, too, and titles.
    begun['tests'] = {name: begun['tests'].get(name, {}) for name in figures['tests']}
    for way in begun['tests'].values():
        way.pop('title', None)
    if begun != figures:
        raise InputError(
            f'{out_dir} was begun with another suite, size, data set or budget, see {path}: name '
            'another --out-dir'
        )
    if not resume:
        raise InputError(
            f'{out_dir} holds runs of this suite: add --resume to go on with it or to share it, or '
            'name another --out-dir'
        )


def prepare_data(suite: Suite, root: Path, tools: Path, sources: Path) -> None:
    """Draw the data set, or see that it is there.

    Args:
        suite (Suite): Its data set.
        root (Path): Where the data set is or is to be.
        tools (Path): Folder of the scripts.
        sources (Path): Folder of the pictures that a data set is made of.

    Raises:
        InputError: It is not, or cannot be drawn.
    """
    data = suite.data
    if data.script:
        arguments = [argument.format(sources=sources) for argument in data.arguments]
        command = [sys.executable, str(tools / data.script), '--out-dir', str(root), *arguments]
        paths = filter(None, [str(tools.parent), os.getenv('PYTHONPATH')])
        environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(paths)}
        if subprocess.run(command, env=environment).returncode:
            raise InputError(f'{data.script} could not draw {root}, see above')
    for split in (data.train, data.val):
        if not (root / split['ann_file']).is_file():
            raise InputError(
                f'{root / split["ann_file"]} does not exist: give the folder of {data.title} with '
                '--data-root'
            )


def run_all(
    runs: Sequence[Run], jobs: int, tell: Callable[[str], None]
) -> tuple[list[str], list[str]]:
    """Do all runs that are neither finished nor claimed by another process.

    Args:
        runs (Sequence[Run]): In the order in which they are begun.
        jobs (int): How many at once. Where there are GPUs, they are dealt out in turn.
        tell (Callable): Is given a line at the beginning and the end of each run.

    Returns:
        tuple[list[str], list[str]]: Runs that others do, and what went wrong in those that failed.
    """
    waiting: queue.SimpleQueue[Run] = queue.SimpleQueue()
    for run in runs:
        waiting.put(run)
    elsewhere: list[Run] = []
    failures: list[str] = []
    active: dict[int, Run] = {}
    stopping = threading.Event()

    def work(slot: int) -> None:
        while not stopping.is_set():
            try:
                run = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                _do(run, slot, active, elsewhere, tell)
            except InputError as error:
                if not stopping.is_set():
                    failures.append(str(error))
                    tell(f'failed: {error}')
            except Exception as error:  # must not pass in silence with the thread
                failures.append(f'{run.name}: {error!r}')
                tell(f'failed: {run.name}: {error!r}')

    threads = [threading.Thread(target=work, args=(slot,), daemon=True) for slot in range(jobs)]
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.1)
    finally:  # Ctrl-C as well: no training outlives this process
        stopping.set()
        for run in list(active.values()):
            run.stop()
        for thread in threads:
            thread.join()
    # Others may have ended in the meantime.
    return [run.name for run in elsewhere if not run.finished()], failures


def _do(
    run: Run,
    slot: int,
    active: dict[int, Run],
    elsewhere: list[Run],
    tell: Callable[[str], None],
) -> None:
    if run.finished():
        tell(f'kept:  {run.name}')
        return
    with claim(run.folder) as descriptor:
        if descriptor is None:
            elsewhere.append(run)
            return
        if run.finished():  # by another process, just now
            return
        run.keep_open = (descriptor,)
        if torch.cuda.is_available():
            device = slot % torch.cuda.device_count()
            run.environment = {'CUDA_VISIBLE_DEVICES': str(device)}
        active[slot] = run
        begin = time.perf_counter()
        tell(f'begin: {run.name}')
        try:
            result = run.execute()
        finally:
            del active[slot]
        tell(f'done:  {run.name}, {time.perf_counter() - begin:.0f} s, {_in_short(run, result)}')


def _in_short(run: Run, result: dict[str, Any]) -> str:
    key = f'coco/{run.suite.headline}'
    figures = (
        f'{name} {test["metrics"].get(key, float("nan")):.3f}'
        for name, test in result['tests'].items()
    )
    return f'{run.suite.headline}: {", ".join(figures)}'
