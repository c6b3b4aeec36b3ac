"""Where what is made of images goes, by their names."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from mmsniper.errors import InputError


def name_below(name: str, what: str) -> str:
    """The name of an image, after making sure that it is a path below any folder.

    Args:
        name: See :class:`mmsniper.inference.ImageDetections`.
        what: What is to be written there, such as 'picture'.

    Raises:
        InputError: It leads out of the folder.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or '..' in path.parts or not path.parts:
        raise InputError(
            f'no {what} of image {name!r} can be written: its name must be a path below a folder'
        )
    return name


def check_length(path: Path, folder: Path, name: str) -> None:
    """Raise an InputError if the file of an image would have too long a name for its disk.

    Args:
        path: The file, whose folder need not exist.
        folder: One that exists and that it is below.
        name: Of the image.
    """
    # Whether a part is too long is only said where its folder exists.
    for place in (path, *(folder / part for part in path.relative_to(folder).parts)):
        try:
            os.lstat(place)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise InputError(
                    f'what is found in {name} cannot be written: {place.name} is too long for '
                    'the name of a file; give the image a shorter one'
                ) from error


def stem(name: str) -> str:
    """The name of an image without its ending."""
    return str(PurePosixPath(name).with_suffix(''))


def without_stem_of_their_own(names: Iterable[str]) -> frozenset[str]:
    """The images, by their names, that others could be taken for without their endings.

    Such are ``a.jpg`` beside ``a.png``, ``a.jpg.png`` beside ``a.jpg``, and what is in a folder
    that is called like an image, such as a video, whose frames seem to be there.
    """
    names = list(names)
    known, stems = set(names), Counter(map(stem, names))
    return frozenset(
        name
        for name in names
        if stems[stem(name)] > 1
        or (stem(name) != name and stem(name) in known)
        or str(PurePosixPath(name).parent) in known
    )
