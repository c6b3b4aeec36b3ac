"""Work in other processes, of which one may die without the rest."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any


@dataclass(frozen=True)
class Died:
    """Instead of a result: what became of the process that worked on it.

    Args:
        reason: A sentence without a full stop.
    """

    reason: str


@dataclass
class _Worker:
    process: multiprocessing.process.BaseProcess
    connection: Connection
    ready: bool = False
    index: int | None = None  # of the task that it works on
    deadline: float = 0.0


def work(
    function: Callable[[Any], Any], tasks: Sequence, num_processes: int, timeout: float = math.inf
) -> Iterator[tuple[int, Any]]:
    """Call a function for each task in other processes.

    Args:
        function: To be found by its name in its module; what it is given and gives is pickled, and
            what it prints on standard output goes nowhere.
        tasks: What to call it with.
        num_processes: How many at a time.
        timeout: Seconds after which the process of a task is ended. Defaults to never.

    Yields:
        tuple: The index of a task and what the function gave for it, or :class:`Died`. In the
        order in which they finish.
    """
    context = multiprocessing.get_context('spawn')
    todo = iter(range(len(tasks)))
    workers = [_start(context, function) for _ in range(min(num_processes, len(tasks)))]
    try:
        for worker in workers:
            _give(worker, tasks, todo, timeout)
        while busy := [worker for worker in workers if worker.index is not None]:
            wait([worker.connection for worker in busy], timeout=1)
            for worker in busy:
                if worker.connection.poll():
                    done = worker.index, _receive(worker)
                elif time.monotonic() > worker.deadline:
                    done = worker.index, Died(f'it took longer than {timeout:.0f} seconds')
                else:
                    continue
                if isinstance(done[1], Died):
                    _stop(worker)
                    workers[workers.index(worker)] = worker = _start(context, function)
                _give(worker, tasks, todo, timeout)
                yield done
    finally:
        for worker in workers:
            _stop(worker)


def _start(context, function: Callable) -> _Worker:
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(function, theirs))
    process.start()
    theirs.close()  # so that the end of the process is the end of the connection
    return _Worker(process, ours)


def _serve(function: Callable, connection: Connection) -> None:
    """What a process does: say that it has started, then tasks until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started it, and ends it
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    connection.send('ready')
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send(function(task))


def _give(worker: _Worker, tasks: Sequence, todo: Iterator[int], timeout: float) -> None:
    worker.index = next(todo, None)
    if worker.index is not None:
        if not worker.ready:  # a process takes its time to import all
            worker.ready = worker.connection.recv() == 'ready'
        worker.deadline = time.monotonic() + timeout
        worker.connection.send(tasks[worker.index])


def _receive(worker: _Worker) -> Any:
    try:
        return worker.connection.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join()
        code = worker.process.exitcode
        return Died(f'its process ended with {f"signal {-code}" if code < 0 else f"status {code}"}')


def _stop(worker: _Worker) -> None:
    worker.process.terminate()  # first, or it would complain about a connection that is gone
    worker.process.join()
    worker.connection.close()
