"""Finding pictures and reading small text files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmsniper.errors import InputError

from .tally import Tally

PICTURES = (
    *('.jpg', '.jpeg', '.jpe', '.jp2', '.png', '.bmp', '.dib', '.tif', '.tiff', '.webp'),
    *('.gif', '.avif', '.heic', '.heif', '.pgm', '.ppm', '.pnm'),
)


def check_folder(path: Path, what: str) -> None:
    """Raise an InputError if a folder is not there."""
    if not path.is_dir():
        raise InputError(f'{what} {path} {"is no folder" if path.exists() else "does not exist"}')


def find_files(folder: Path, suffixes: Sequence[str]) -> Iterator[Path]:
    """All files below a folder with one of some suffixes, in any case, sorted by their paths.

    Hidden files and folders, and those that macOS puts into archives, are none.
    """
    found = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith('.') and name != '__MACOSX']
        found += [
            Path(place, name)
            for name in names
            if not name.startswith('.') and name.lower().endswith(tuple(suffixes))
        ]
    yield from sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def find_pictures(folder: Path) -> list[Path]:
    """All pictures below a folder, sorted by their paths.

    Raises:
        InputError: The folder is not there, or has none.
    """
    check_folder(folder, 'the folder of pictures')
    pictures = list(find_files(folder, PICTURES))
    if not pictures:
        raise InputError(f'there is no picture in {folder}: name the folder that they are in')
    return pictures


def by_stem(files: Sequence[Path]) -> dict[str, Path]:
    """Files by their names without suffix.

    Raises:
        InputError: Two have the same.
    """
    found: dict[str, Path] = {}
    for path in files:
        other = found.setdefault(path.stem, path)
        if other is not path:
            raise InputError(
                f'{other} and {path} have the same name without suffix, so that it cannot be told '
                'which of them an annotation is of: leave one of them'
            )
    return found


def pair_by_stem(
    pictures: Sequence[Path], annotations: Sequence[Path], left_out: Tally
) -> Iterator[tuple[Path, Path]]:
    """Pictures with the annotation files of the same names, in the order of the pictures.

    Args:
        pictures: The pictures.
        annotations: The annotation files.
        left_out: Counts those of either kind that have no partner.

    Raises:
        InputError: No picture has an annotation file, or two files of a kind have one name.
    """
    files, partners = by_stem(annotations), by_stem(pictures)
    if not files.keys() & partners.keys():
        example = f'such as {annotations[0]}' if annotations else 'of which there are none'
        raise InputError(
            f'none of {len(pictures)} pictures, such as {pictures[0]}, has the name of an '
            f'annotation file, {example}: name the folders that belong together'
        )
    for stem, path in files.items():
        if stem not in partners:
            left_out.add('annotation files whose picture is missing', str(path))
    for path in pictures:
        if path.stem in files:
            yield path, files[path.stem]
        else:
            left_out.add('pictures without an annotation file', str(path))


def read_lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a text file that are not blank, with their numbers from 1.

    Raises:
        InputError: It is missing, cannot be read or is no text.
    """
    try:
        text = path.read_bytes().decode('utf-8-sig')
    except FileNotFoundError as error:
        raise InputError(f'{path} does not exist') from error
    except OSError as error:
        raise InputError(f'{path} cannot be read: {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise InputError(f'{path} is no text file in UTF-8: {error}') from error
    lines = ((number, line.strip()) for number, line in enumerate(text.split('\n'), 1))
    return [(number, line) for number, line in lines if line]


def to_numbers(words: Sequence[str], path: Path, line: int) -> list[float]:
    """Words of a line as numbers.

    Raises:
        InputError: One is none.
    """
    try:
        return [float(word) for word in words]
    except ValueError:
        wrong = next(word for word in words if not _is_number(word))
        raise InputError(f'{path}, line {line}: {wrong!r} is no number') from None


def to_whole_number(word: str, what: str, path: Path, line: int) -> int:
    """A word of a line as a whole number; 1.0 is one as well.

    Raises:
        InputError: It is none.
    """
    value = to_numbers([word], path, line)[0]
    if not value.is_integer():
        raise InputError(f'{path}, line {line}: the {what} {word!r} is no whole number')
    return int(value)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
