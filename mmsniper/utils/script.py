"""How every script of the project ends: with its work done, or with one sentence and status 1."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable

from ..errors import InputError


def run_script(main: Callable[[], object]) -> None:
    """Call ``main()`` and turn bad input into one sentence on standard error and exit status 1.

    ``InputError`` and ``FileNotFoundError`` count as bad input, and what the framework raises for
    a config, a checkpoint or a file that it cannot use (:mod:`mmsniper.utils.input_faults`). All
    else keeps its traceback, because it is a defect. With ``MMSNIPER_TRACEBACK=1`` in the
    environment bad input shows its traceback as well.

    Args:
        main: The script, without arguments; what it returns is not used.

    Raises:
        SystemExit: With status 1 on bad input.
    """
    try:
        main()
    except Exception as error:
        sentence = error_sentence(error)
        if sentence is None or os.environ.get('MMSNIPER_TRACEBACK') == '1':
            raise
        sys.stderr.write(f'error: {sentence}\n')  # at once, since other ranks write there too
        raise SystemExit(1) from None


def error_sentence(error: Exception) -> str | None:
    """The sentence of an exception that is due to bad input, on one line.

    An exception raised in a data-loader worker arrives as one whose message is the worker's whole
    traceback; its last entry is the message that was raised there.

    Args:
        error: The exception.

    Returns:
        The sentence, never empty; None if the exception is a defect.
    """
    # Not at the top: this module is there before MMDetection is known to be.
    from .input_faults import FILE_ERRORS, input_fault

    if not isinstance(error, InputError):
        fault = input_fault(error)
        if fault is not None:
            return ' '.join(fault.split())
    if not isinstance(error, (InputError, *FILE_ERRORS)):
        return None
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return f'{error.filename} does not exist'
    message = str(error)
    if 'DataLoader worker' in message and 'Traceback (most recent call last)' in message:
        # The last unindented "package.Error: sentence"; anything after it belongs to the sentence.
        starts = list(re.finditer(r'^[A-Za-z_][\w.]*(?:Error|Exception): ', message, re.MULTILINE))
        if starts:
            message = re.sub(r'^\[Errno \d+\] ', '', message[starts[-1].end() :])
    return ' '.join(message.split()) or type(error).__name__
