"""Word of negative chips that are to come, from who brings them to the datasets built after it."""

from __future__ import annotations

from mmengine.logging import MessageHub

KEY = 'mmsniper_room_for_negatives'


def announce_room(negatives_per_image: float) -> None:
    """Make datasets of chips that are built from now on in this run keep room for negative chips.

    A runner builds its hooks before its datasets, and a dataset's length is read when it is built.

    Args:
        negatives_per_image (float): How many; 0 takes back what was announced.
    """
    MessageHub.get_current_instance().update_info(KEY, float(negatives_per_image))


def announced_room() -> float:
    """How many negative chips per image a dataset of this run has to have room for."""
    return MessageHub.get_current_instance().get_info(KEY, 0.0)
