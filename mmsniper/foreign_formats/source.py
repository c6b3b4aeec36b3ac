"""What a module of a format says of a data set, before it becomes a COCO annotation file.

Boxes are (left, top, right, bottom) in pixels of the picture as a loader turns it, half-open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .tally import Tally


@dataclass(frozen=True)
class Item:
    """A picture and what says what is in it.

    Attributes:
        name: The picture's path below the folder of the source, with ``/``.
        picture: Its file.
        annotation: The file that says what is in it; None if there is none.
    """

    name: str
    picture: Path
    annotation: Path | None


@dataclass(frozen=True)
class Object:
    """An object, or a region that is to be ignored.

    Attributes:
        name: Its class; None of what is to be ignored whatever the class.
        box: Left, top, right and bottom; may be empty, not finite or outside of the picture.
        ignored: Whether it becomes a crowd.
    """

    name: str | None
    box: tuple[float, float, float, float]
    ignored: bool = False


@dataclass
class Contents:
    """What the annotation of one picture says.

    Attributes:
        objects: In the order of the annotation.
        stated_size: Width and height of the picture, if stated.
        left_out: What of it could not become an object.
        noted: What else a person should know.
    """

    objects: list[Object] = field(default_factory=list)
    stated_size: tuple[float, float] | None = None
    left_out: Tally = field(default_factory=Tally)
    noted: Tally = field(default_factory=Tally)


@dataclass
class Source:
    """A data set in another format.

    Attributes:
        format: What the format is called.
        settings: All options that change what comes out, as JSON can hold it.
        folder: What the names of pictures are relative to.
        classes: Its classes in their order; None if they are those that are found, sorted.
        items: The pictures in the order that they get their ids in.
        read: Gives the contents of an item. Raises an InputError that names file and line where an
            annotation is malformed.
        left_out: What was left out while listing the items.
        noted: What else was noticed then.
    """

    format: str
    settings: dict
    folder: Path
    classes: Sequence[str] | None
    items: Sequence[Item]
    read: Callable[[Item], Contents]
    left_out: Tally = field(default_factory=Tally)
    noted: Tally = field(default_factory=Tally)
