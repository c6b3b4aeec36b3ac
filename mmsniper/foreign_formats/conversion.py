"""From a data set in another format to a COCO annotation file, written whole or not at all."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mmsniper.datasets.box_table import unusable_boxes
from mmsniper.errors import InputError
from mmsniper.images import BrokenImageError, stated_image_size
from mmsniper.utils.claim import claim_file
from mmsniper.utils.whole_file import write_whole

from .journal import Journal
from .source import Contents, Item, Object, Source
from .tally import Tally

VERSION = 1  # raise it whenever the same data come to give another annotation file
CUT = 'boxes cut at the border of their picture'
DECIMALS = 4


@dataclass
class Conversion:
    """What came out.

    Attributes:
        file: The annotation file.
        folder: What the names of its pictures are relative to.
        num_images: How many pictures it lists.
        num_empty: How many of them have no object.
        num_resumed: How many of them an earlier run has read.
        objects: How many objects there are of each class, in the order of the classes.
        num_crowds: How many annotations are crowds; each region that is ignored for all classes
            counts once for each.
        left_out: What is not in the file.
        noted: What else a person should know.
    """

    file: Path
    folder: Path
    num_images: int = 0
    num_empty: int = 0
    num_resumed: int = 0
    objects: dict[str, int] = field(default_factory=dict)
    num_crowds: int = 0
    left_out: Tally = field(default_factory=Tally)
    noted: Tally = field(default_factory=Tally)

    def as_dict(self) -> dict:
        """The figures, as JSON can hold them."""
        return dict(
            vars(self),
            file=str(self.file),
            folder=str(self.folder),
            left_out=self.left_out.as_dict(),
            noted=self.noted.as_dict(),
        )


def convert(
    source: Source,
    file: Path,
    overwrite: bool = False,
    classes: Sequence[str] | None = None,
    trust_pictures: bool = False,
    tell: Callable[[Sequence[Item]], Iterable[Item]] = iter,
) -> Conversion:
    """Write the COCO annotation file of a data set in another format.

    What was read is kept beside the file until this is whole: the same call after an interruption
    goes on where that one was, reads again what has changed since, and gives the same file.

    Ignored objects are crowds (``iscrowd=1``), which MMDetection and mmsniper neither learn nor
    hold to be background, and which COCO's metric does not count. A region that is to be ignored
    whatever the class is a crowd of each class, since the metric goes by class.

    Args:
        source: The data set.
        file: The annotation file.
        overwrite: Whether it may be there already.
        classes: Which classes to take, in which order. Defaults to all.
        trust_pictures: Whether a picture may have another size than its annotation states.
        tell: Is given the items and gives them on, to show how far the work is.

    Raises:
        InputError: The file is there, or the data are malformed or not what they are said to be.
    """
    _check_file(file, overwrite)
    _check_classes(source, classes)
    settings = dict(
        source.settings,
        format=source.format,
        folder=str(source.folder.resolve()),
        version=VERSION,
        trust_pictures=trust_pictures,
    )
    records, num_resumed = [], 0
    with claim_file(file) as claimed:
        if claimed is None:
            raise InputError(f'another process is writing {file}: wait for its end')
        with Journal(file.with_name(f'.{file.name}.part'), settings) as journal:
            for item in tell(source.items):
                version = _version(item)
                record = journal.get(item.name, version)
                if record is None:
                    record = _read(source, item, trust_pictures)
                    journal.add(item.name, version, record)
                else:
                    num_resumed += 1
                records.append(record)
            content, conversion = _assemble(source, records, classes, file)
            conversion.num_resumed = num_resumed
            write_whole(file, json.dumps(content).encode())
    return conversion


def _check_file(file: Path, overwrite: bool) -> None:
    if file.is_dir():
        raise InputError(f'--out {file} is a folder: name a file in it')
    if file.exists() and not overwrite:
        raise InputError(f'--out {file} is there already: name another file, or give --overwrite')


def _check_classes(source: Source, classes: Sequence[str] | None) -> None:
    if not source.items:
        reasons = '; '.join(line.strip() for line in source.left_out.lines())
        raise InputError(f'there is no picture with annotations in {source.folder}: {reasons}')
    for names in (classes, source.classes):
        twice = [name for name, count in Counter(names or ()).items() if count > 1]
        if twice:
            raise InputError(f'the class {twice[0]!r} is named more than once: name each once')
    unknown = [name for name in classes or () if name not in (source.classes or classes or ())]
    if unknown:
        raise InputError(
            f'--classes names {unknown[0]!r}, which is none of the classes of the data: '
            f'{", ".join(source.classes)}'
        )


def _version(item: Item) -> list:
    """What changes when a file of an item does."""
    states = []
    for path in (item.picture, item.annotation):
        try:
            status = path.stat() if path is not None else None
        except OSError:  # reading it says what is wrong
            status = None
        states.append(status and [str(path), status.st_mtime_ns, status.st_size])
    return states


def _read(source: Source, item: Item, trust_pictures: bool) -> dict:
    """What is known of a picture, as JSON can hold it."""
    contents = source.read(item)
    contents = replace(contents, left_out=contents.left_out.copy(), noted=contents.noted.copy())
    try:
        size = stated_image_size(item.picture)
    except BrokenImageError as error:
        contents.left_out.add('pictures that cannot be read', str(error))
        return dict(left_out=contents.left_out.as_dict())
    _check_size(item, contents, size, trust_pictures)
    objects = _usable(item, contents, size)
    if not contents.objects and item.annotation is not None:
        contents.noted.add('annotations without an object', str(item.annotation))
    return dict(
        name=item.name,
        size=size,
        objects=objects,
        left_out=contents.left_out.as_dict(),
        noted=contents.noted.as_dict(),
    )


def _check_size(
    item: Item, contents: Contents, size: tuple[int, int], trust_pictures: bool
) -> None:
    stated = contents.stated_size
    if stated is None:
        return
    if not min(stated) > 0:
        contents.noted.add('annotations that state no size', str(item.annotation))
    elif tuple(stated) != size:
        if not trust_pictures:
            turned = ' turned upright as its file says' if tuple(stated[::-1]) == size else ''
            raise InputError(
                f'picture {item.picture} has {size[0]}x{size[1]} pixels{turned}, but '
                f'{item.annotation} says {stated[0]:g}x{stated[1]:g}: mend one of them, or give '
                '--trust-pictures if the boxes are about the picture as it is'
            )
        contents.noted.add('annotations that state another size', str(item.annotation))


def _usable(item: Item, contents: Contents, size: tuple[int, int]) -> list[list]:
    """Class, box (left, top, width and height, inside of the picture) and crowd of each object."""
    boxes = np.array([thing.box for thing in contents.objects], np.float64).reshape(-1, 4)
    width, height = size
    sides = np.full(len(boxes), height), np.full(len(boxes), width)
    where = str(item.annotation)
    usable = np.ones(len(boxes), bool)
    words = {'not finite': 'that are not finite', 'empty': 'without area'}
    for reason, marked in unusable_boxes(boxes, *sides).items():
        usable &= ~marked
        words.setdefault(reason, 'outside of their picture')
        contents.left_out.add(f'boxes {words[reason]}', where, int(marked.sum()))
    inside = boxes[usable].clip(0, [width, height, width, height])
    contents.noted.add(CUT, where, int((inside != boxes[usable]).any(axis=1).sum()))
    inside[:, 2:] -= inside[:, :2]
    # CocoDataset leaves these out, but the metric would miss them.
    thin = (inside[:, 2:] < 1).any(axis=1)
    contents.left_out.add('boxes of less than a pixel across', where, int(thin.sum()))
    things = [contents.objects[index] for index in np.flatnonzero(usable)[~thin]]
    entries = [
        _entry(thing, box) for thing, box in zip(things, inside[~thin].round(DECIMALS).tolist())
    ]
    unique = {json.dumps(entry): entry for entry in entries}
    contents.left_out.add('objects that are there twice', where, len(entries) - len(unique))
    return list(unique.values())


def _entry(thing: Object, box: list[float]) -> list:
    box = [int(value) if value.is_integer() else value for value in box]
    return [thing.name, box, int(thing.ignored)]


def _assemble(
    source: Source, records: Sequence[dict], classes: Sequence[str] | None, file: Path
) -> tuple[dict, Conversion]:
    """The annotation file and what there is to tell of it."""
    found = Counter(
        name for record in records for name, _, _ in record.get('objects', ()) if name is not None
    )
    classes = list(classes or source.classes or sorted(found))
    ids = {name: number for number, name in enumerate(classes, 1)}
    conversion = Conversion(
        file=file,
        folder=source.folder,
        objects=dict.fromkeys(classes, 0),
        left_out=source.left_out.copy(),
        noted=source.noted.copy(),
    )
    images, annotations = [], []
    for record in records:
        conversion.left_out.update(Tally(record['left_out']))
        if 'size' not in record:
            continue
        conversion.noted.update(Tally(record['noted']))
        width, height = record['size']
        image = dict(id=len(images) + 1, file_name=record['name'], width=width, height=height)
        images.append(image)
        num_before = sum(conversion.objects.values())
        for name, box, ignored in record['objects']:
            if name is not None and name not in ids:
                reason = f'objects of the class {name!r}, which is not asked for'
                conversion.left_out.add(reason, record['name'])
                continue
            for category in ids.values() if name is None else [ids[name]]:
                annotations.append(_annotation(len(annotations) + 1, image, category, box, ignored))
            if ignored:
                conversion.num_crowds += len(ids) if name is None else 1
            else:
                conversion.objects[name] += 1
        conversion.num_empty += sum(conversion.objects.values()) == num_before
    conversion.num_images = len(images)
    for name, count in conversion.objects.items():
        conversion.noted.add('classes without an object', name, int(count == 0))
    _check_result(source, conversion, found)
    content = dict(
        info=dict(description=f'{source.format}, as COCO by mmsniper'),
        images=images,
        annotations=annotations,
        categories=[dict(id=number, name=name) for name, number in ids.items()],
    )
    return content, conversion


def _annotation(number: int, image: dict, category: int, box: list, ignored: int) -> dict:
    return dict(
        id=number,
        image_id=image['id'],
        category_id=category,
        bbox=box,
        area=round(box[2] * box[3], DECIMALS),
        iscrowd=ignored,
    )


def _check_result(source: Source, conversion: Conversion, found: Counter) -> None:
    """Raise an InputError if there is nothing left that the data are made of."""
    reasons = '; '.join(line.strip() for line in conversion.left_out.lines())
    if not conversion.num_images:
        raise InputError(f'no picture of {source.folder} can be used: {reasons}')
    if found and not any(conversion.objects.values()) and not conversion.num_crowds:
        names = ', '.join(map(repr, list(found)[:20]))
        raise InputError(
            f'no object of {source.folder} is of the classes {", ".join(conversion.objects)}: its '
            f'own are {names}, so name these as --classes'
        )
