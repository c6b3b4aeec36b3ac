"""Tiling the pictures of a COCO annotation file, and the annotation file that names them then."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from mmsniper.errors import InputError
from mmsniper.utils.claim import claim_file
from mmsniper.utils.coco_entries import check_images, check_sections
from mmsniper.utils.json_file import read_json
from mmsniper.utils.whole_file import write_whole
from mmsniper.utils.workers import Died, work

from .tiled_tiff import SUFFIX, description_of, is_tiled_tiff, write_tiled_tiff

_NAMED_FAILURES = 5


@dataclass(frozen=True)
class Picture:
    """A picture to be tiled.

    Attributes:
        source: Its file.
        target: The tiled TIFF.
        name: The source in the words of the annotation file.
        size: Width and height that the annotation file states.
        quality: Of JPEG, 1 to 100.
        lossless: Whether to use Deflate instead.
    """

    source: Path
    target: Path
    name: str
    size: tuple[int, int]
    quality: int
    lossless: bool

    @property
    def description(self) -> str:
        """What the tiled TIFF says of itself: of which file it is made, and how."""
        how = 'lossless' if self.lossless else f'quality {self.quality}'
        return f'{self._origin}, {how}'

    @property
    def _origin(self) -> str:
        return f'tiled by mmsniper from {self.name} ({self.source.stat().st_size} bytes)'

    @property
    def num_pixels(self) -> int:
        return self.size[0] * self.size[1]

    def is_done(self) -> bool:
        """Whether the tiled TIFF is there, is whole and no older than its source.

        It also has to have the size, be made from a file of that name and of so many bytes, and in
        the same way.

        Raises:
            InputError: Something else is in its place.
        """
        if not os.path.lexists(self.target):
            return False
        if self.target.resolve() == self.source.resolve() or not is_tiled_tiff(self.target):
            raise InputError(
                f'{self.target} is there and was not written by this tool: name another --out-dir, '
                'or move it away'
            )
        return (
            description_of(self.target, self.size) == self.description
            and self.target.stat().st_mtime_ns >= self.source.stat().st_mtime_ns
        )

    def is_of_another(self) -> bool:
        """Whether the tiled TIFF is whole, but made from another file."""
        found = description_of(self.target)
        return bool(found) and not found.startswith(f'{self._origin}, ')

    def tile(self) -> Outcome:
        """Write the tiled TIFF."""
        try:
            write_tiled_tiff(
                self.source, self.target, self.size, self.quality, self.lossless, self.description
            )
        except InputError as error:
            cause = error.__cause__
            is_full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
            return Outcome(self, str(error), is_full)
        return Outcome(self)


@dataclass(frozen=True)
class Outcome:
    """What became of a picture.

    Attributes:
        picture: Which.
        failure: Why there is no tiled TIFF, as a sentence; None if there is.
        is_full: Whether that is because there is no more room, so that others would fail too.
    """

    picture: Picture
    failure: str | None = None
    is_full: bool = False


@dataclass(frozen=True)
class TiledSet:
    """A finished set.

    Attributes:
        annotation_file: The one that names the tiled TIFFs.
        num_pictures: How many there are.
        num_kept: How many of them were there before.
        bytes_before: How much room the pictures take as they were.
        bytes_after: How much they take now.
    """

    annotation_file: Path
    num_pictures: int
    num_kept: int
    bytes_before: int
    bytes_after: int


def tile_set(
    annotation_file: Path,
    images: Path,
    out_dir: Path,
    num_jobs: int = 1,
    quality: int = 95,
    lossless: bool = False,
    resume: bool = False,
    tell: Callable[[Sequence[Picture], Iterator[Outcome]], Iterator[Outcome]] | None = None,
) -> TiledSet:
    """Tile the pictures of an annotation file.

    The annotation file goes to ``out_dir`` under its own name when all pictures are there; nothing
    but the names in it changes. Where a picture cannot be tiled the others are nevertheless.

    Args:
        annotation_file: In COCO format.
        images: The folder of its pictures.
        out_dir: Where the tiled ones go, in the same folders as below ``images``.
        num_jobs: How many processes work.
        quality: As of :func:`mmsniper.images.write_tiled_tiff`.
        lossless: Likewise.
        resume: Whether ``out_dir`` may hold pictures of an earlier run, which are kept where
            :meth:`Picture.is_done` says so.
        tell: Is given the pictures that are still to be tiled and their outcomes, and gives the
            outcomes on; to show how far the work is.

    Raises:
        InputError: The files do not fit together, or a picture cannot be tiled.
    """
    target = out_dir / annotation_file.name
    content = read_json(annotation_file, 'annotation file')
    check_sections(str(annotation_file), content, ('images',))
    check_images(str(annotation_file), content['images'])
    if target.resolve() == annotation_file.resolve():
        raise InputError(f'--out-dir {out_dir} holds {annotation_file} itself: name another folder')
    _check_folder(out_dir, resume)
    pictures = _pictures(annotation_file, content['images'], images, out_dir, quality, lossless)
    with claim_file(target) as claimed:
        if claimed is None:
            raise InputError(f'another process is writing to {out_dir}: wait for its end')
        todo = [picture for picture in pictures if not picture.is_done()]
        _check_not_of_others(todo, target)
        outcomes = _outcomes(todo, num_jobs)
        outcomes = outcomes if tell is None else tell(todo, outcomes)
        _check_outcomes(outcomes, target, len(todo))
        for image in content['images']:
            image['file_name'] = _tiled_name(image['file_name'])
        write_whole(target, json.dumps(content).encode())
    return TiledSet(
        annotation_file=target,
        num_pictures=len(pictures),
        num_kept=len(pictures) - len(todo),
        bytes_before=sum(picture.source.stat().st_size for picture in pictures),
        bytes_after=sum(picture.target.stat().st_size for picture in pictures),
    )


def _check_folder(out_dir: Path, resume: bool) -> None:
    if out_dir.exists() and not out_dir.is_dir():
        raise InputError(f'--out-dir {out_dir} is a file: name a folder')
    if not resume and out_dir.is_dir() and any(out_dir.iterdir()):
        raise InputError(
            f'--out-dir {out_dir} is not empty: name another folder, or go on with an earlier run '
            'by --resume'
        )


def _pictures(
    annotation_file: Path,
    images: Sequence[dict],
    folder: Path,
    out_dir: Path,
    quality: int,
    lossless: bool,
) -> list[Picture]:
    """The pictures, each once.

    Raises:
        InputError: Some are missing or outside of the folder, or two would get one name.
    """
    sources: dict[str, str] = {}
    pictures = []
    for image in images:
        name = image['file_name']
        path = PurePath(name)
        if path.is_absolute() or '..' in path.parts or not path.name:
            raise InputError(
                f'image {name!r} of annotation file {annotation_file} is not inside of --images: '
                'give names below that folder'
            )
        before = sources.setdefault(_tiled_name(name), name)
        if before != name:
            raise InputError(
                f'{before} and {name} of annotation file {annotation_file} would both become '
                f'{_tiled_name(name)}: rename one of them'
            )
        size = int(image['width']), int(image['height'])
        target = out_dir / _tiled_name(name)
        pictures.append(Picture(folder / name, target, name, size, quality, lossless))
    pictures = list({picture.name: picture for picture in pictures}.values())
    missing = [picture for picture in pictures if not picture.source.is_file()]
    if missing:
        raise InputError(
            f'image {missing[0].source} does not exist, as {len(missing)} of {len(pictures)} that '
            f'annotation file {annotation_file} lists: give the folder that they are in as --images'
        )
    return pictures


def _check_not_of_others(todo: Sequence[Picture], target: Path) -> None:
    """Raise an InputError where a finished set of the same folder would get other pictures."""
    replaced = {
        picture.target.relative_to(target.parent).as_posix(): picture
        for picture in todo
        if picture.is_of_another()
    }
    others = [path for path in sorted(target.parent.glob('*.json')) if path.name != target.name]
    for other in others if replaced else ():
        try:
            images = read_json(other, 'annotation file')['images']
            found = [image['file_name'] for image in images if image['file_name'] in replaced]
        except (InputError, TypeError, KeyError):  # it is something else
            continue
        if found:
            picture = replaced[found[0]]
            raise InputError(
                f'{picture.target} is a picture of {other} and was not made from {picture.source} '
                f'as it is now: name another --out-dir, or remove {other} if it is to be made again'
            )


def _tiled_name(name: str) -> str:
    return PurePath(name).with_suffix(SUFFIX).as_posix()


def _outcomes(pictures: Sequence[Picture], num_jobs: int) -> Iterator[Outcome]:
    """Tile pictures; in other processes if there is work for several."""
    if min(num_jobs, len(pictures)) <= 1:
        yield from map(Picture.tile, pictures)
        return
    for index, outcome in work(Picture.tile, pictures, num_jobs):
        if isinstance(outcome, Died):
            source = pictures[index].source
            outcome = Outcome(pictures[index], f'image {source} cannot be tiled: {outcome.reason}')
        yield outcome


def _check_outcomes(outcomes: Iterator[Outcome], target: Path, num_pictures: int) -> None:
    """Raise an InputError: at once if there is no more room, else of all failures at the end."""
    failures = []
    for outcome in outcomes:
        if outcome.is_full:
            raise InputError(f'{outcome.failure}: make room and go on with --resume')
        if outcome.failure:
            failures.append(outcome.failure)
    if failures:
        named = '; '.join(failures[:_NAMED_FAILURES])
        more = f'; and {len(failures) - _NAMED_FAILURES} more'
        raise InputError(
            f'{len(failures)} of {num_pictures} pictures could not be tiled, so {target} was not '
            f'written; mend them and go on with --resume: {named}'
            + (more if len(failures) > _NAMED_FAILURES else '')
        )
