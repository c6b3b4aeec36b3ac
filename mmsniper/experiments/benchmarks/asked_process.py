"""A process of its own that answers questions, one after the other.

Its memory is that of its own work alone, and processes that are asked in turn have the same noise
of the machine. Needs Linux.
"""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from mmsniper.errors import InputError


class AskedProcess:
    """Runs a function that answers, to be used as a context.

    Args:
        work: What the process does, for errors, such as 'loads images'.
        serve: Called in the process with ``arguments`` and its end of the connection, which it
            gives to :func:`answer_questions`.
        arguments: Its arguments.

    Attributes:
        start_method: How the process begins: 'fork', with all that this one has loaded and compiled
            by then, or 'forkserver', where it uses PyTorch, which hangs in forks of processes that
            have used its threads. Arguments must be picklable then.
    """

    start_method = 'fork'

    def __init__(self, work: str, serve: Callable[..., None], *arguments: Any) -> None:
        self._work = work
        context = multiprocessing.get_context(self.start_method)
        if self.start_method == 'forkserver':
            context.set_forkserver_preload([serve.__module__])
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(*arguments, theirs))
        self._process.start()
        theirs.close()  # so that the end of the process is the end of the connection

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._process.terminate()
        self._process.join()

    def ask(self, question: Any) -> Any:
        """The answer to a question.

        Raises:
            Exception: What was raised in place of an answer.
            InputError: The process ended.
        """
        try:
            self._connection.send(question)
            answer = self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            raise InputError(
                f'a process that {self._work} ended with status {self._process.exitcode}: there '
                'may have been too little memory'
            ) from None
        if isinstance(answer, Exception):
            raise answer
        return answer


def answer_questions(connection: Connection, answer: Callable[[Any], Any]) -> None:
    """Answer questions until the one who asks is gone.

    Args:
        connection: To the one who asks.
        answer: Gives the answer to a question, or raises what is to be raised there.
    """
    try:
        while True:
            question = connection.recv()
            try:
                found = answer(question)
            except Exception as error:
                found = error
            connection.send(found)
    except (EOFError, KeyboardInterrupt):
        return


def peak_mb() -> float:
    """The largest resident memory of this process so far, in 10**6 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
