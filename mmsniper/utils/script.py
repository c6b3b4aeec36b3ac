"""How every script of the project ends: with its work done, or with one sentence and status 1."""

import os
import re
import sys
from typing import Callable

from ..errors import InputError


def run_script(main: Callable[[], object]) -> None:
    """Call ``main()`` and turn bad input into one sentence on standard error and exit status 1.

    ``InputError`` and ``FileNotFoundError`` count as bad input. All else keeps its traceback,
    because it is a defect. With ``MMSNIPER_TRACEBACK=1`` in the environment bad input shows its
    traceback as well.

    Args:
        main: The script, without arguments; what it returns is not used.

    Raises:
        SystemExit: With status 1 on bad input.
    """
    try:
        main()
    except (InputError, FileNotFoundError) as error:
        if os.environ.get('MMSNIPER_TRACEBACK') == '1':
            raise
        print(f'error: {error_sentence(error)}', file=sys.stderr)
        raise SystemExit(1) from None


def error_sentence(error: BaseException) -> str:
    """The sentence of an exception, on one line.

    An exception raised in a data-loader worker arrives as one whose message is the worker's whole
    traceback; its last entry is the message that was raised there.

    Args:
        error: The exception.

    Returns:
        The sentence, never empty.
    """
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return f'{error.filename} does not exist'
    message = str(error)
    if 'DataLoader worker' in message and 'Traceback (most recent call last)' in message:
        # The last unindented "package.Error: sentence"; anything after it belongs to the sentence.
        starts = list(re.finditer(r'^[A-Za-z_][\w.]*(?:Error|Exception): ', message, re.MULTILINE))
        if starts:
            message = message[starts[-1].end() :]
    return ' '.join(message.split()) or type(error).__name__
