"""What one of several processes does for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from mmengine.dist import broadcast_object_list, get_rank

from mmsniper.errors import InputError

T = TypeVar('T')


def on_first_rank(action: Callable[[], T]) -> T:
    """Do something on the first process of the group, the others wait.

    Args:
        action (Callable): What it does.

    Returns:
        Its result, on all processes.

    Raises:
        InputError: On all processes: it raised one, or an OSError.
    """
    outcome = [None, None]
    if get_rank() == 0:
        try:
            outcome[0] = action()
        except (InputError, OSError) as error:
            outcome[1] = str(error)
    broadcast_object_list(outcome)
    if outcome[1] is not None:
        raise InputError(outcome[1])
    return outcome[0]
