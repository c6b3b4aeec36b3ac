"""Placing rectangles on a canvas so that none overlaps another (guillotine packing)."""

from __future__ import annotations

import numpy as np


class FreeSpace:
    """The part of a canvas that nothing was placed on yet, as rectangles that do not overlap.

    Attributes:
        rectangles (list[tuple]): (x, y, width, height) each, whole pixels.

    Args:
        width: Of the canvas in pixels.
        height: Of the canvas in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self.rectangles = [(0, 0, width, height)]

    def largest(self) -> tuple[int, int] | None:
        """Width and height of the free rectangle with most pixels, or None if nothing is free."""
        sides = [rectangle[2:] for rectangle in self.rectangles]
        return max(sides, key=lambda side: side[0] * side[1], default=None)

    def place(self, rng: np.random.Generator, width: int, height: int) -> tuple[int, int] | None:
        """Takes room for a rectangle.

        It goes into a corner, drawn at random, of the free rectangle that it leaves least beside,
        so that large rectangles stay free for others.

        Args:
            rng: Draws the corner.
            width: Of the new rectangle in pixels.
            height: Of the new rectangle in pixels.

        Returns:
            (x, y) of its upper left corner, or None where no free rectangle is large enough.
        """
        fitting = [
            (min(w - width, h - height), number)
            for number, (_, _, w, h) in enumerate(self.rectangles)
            if w >= width and h >= height
        ]
        if not fitting:
            return None
        x, y, free_width, free_height = self.rectangles.pop(min(fitting)[1])
        beside, below = free_width - width, free_height - height
        at_right, at_bottom = rng.integers(0, 2, 2).tolist()
        corner = (x + beside * at_right, y + below * at_bottom)
        beside_x = x if at_right else x + width
        below_y = y if at_bottom else y + height
        if beside * free_height > below * free_width:  # the larger rest stays in one piece
            rests = [
                (beside_x, y, beside, free_height),
                (corner[0], below_y, width, below),
            ]
        else:
            rests = [
                (x, below_y, free_width, below),
                (beside_x, corner[1], beside, height),
            ]
        self.rectangles += [rest for rest in rests if rest[2] > 0 and rest[3] > 0]
        return corner
