"""The one exception that mmsniper raises for bad input."""


class InputError(ValueError):
    """Bad input from outside: one sentence that names the file, key or value and what to do.

    The scripts in ``tools/`` print its message without a traceback and exit with status 1.
    """
