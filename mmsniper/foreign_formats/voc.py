"""PASCAL VOC: an XML file for each picture, and lists of the pictures of a set.

Pixels are counted from 1, and xmax and ymax are the last ones inside: a box of the left upper pixel
alone is 1, 1, 1, 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from mmsniper.errors import InputError

from .files import PICTURES, by_stem, check_folder, find_files, pair_by_stem, read_lines
from .source import Contents, Item, Object, Source
from .tally import Tally

CLASSES = (
    *('aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair', 'cow'),
    *('diningtable', 'dog', 'horse', 'motorbike', 'person', 'pottedplant', 'sheep', 'sofa'),
    *('train', 'tvmonitor'),
)
_CORNERS = 'xmin', 'ymin', 'xmax', 'ymax'
_LINE = 'line'


def voc_source(
    folder: Path,
    sets: Sequence[str] = (),
    classes: Sequence[str] | None = None,
    keep_difficult: bool = False,
) -> Source:
    """Sets of PASCAL VOC, or other data in its format.

    Args:
        folder: ``VOCdevkit``, or any folder with XML files and pictures, in folders ``Annotations``
            and ``JPEGImages`` or side by side.
        sets: Which pictures: ``VOC2007/trainval`` is those that
            ``VOC2007/ImageSets/Main/trainval.txt`` lists. None for all of ``folder``.
        classes: Defaults to the 20 of PASCAL VOC if there are sets of a year (``VOC...``), else to
            those that are found.
        keep_difficult: Whether objects that are marked as difficult count; else they are ignored,
            as in the benchmark's own evaluation.

    Raises:
        InputError: Folders or lists are missing, or do not belong together.
    """
    check_folder(folder, 'the folder of PASCAL VOC')
    left_out, noted = Tally(), Tally()
    items: dict[str, Item] = {}
    for name in sets:
        for item in _items_of_set(folder, name, left_out):
            if item.name in items:
                noted.add('pictures that are in several sets', item.name)
            items[item.name] = item
    if not sets:
        items = {item.name: item for item in _all_items(folder, left_out)}
    if classes is None and any(name.startswith('VOC') for name in sets):
        classes = CLASSES
    return Source(
        format='PASCAL VOC',
        settings=dict(keep_difficult=keep_difficult),
        folder=folder,
        classes=classes,
        items=list(items.values()),
        read=lambda item: _read(item.annotation, keep_difficult),
        left_out=left_out,
        noted=noted,
    )


def _items_of_set(folder: Path, name: str, left_out: Tally) -> list[Item]:
    year, _, list_name = name.rpartition('/')
    place = folder / year
    listed = place / 'ImageSets' / 'Main' / f'{list_name}.txt'
    if not listed.is_file():
        raise InputError(
            f'the list {listed} of --sets {name} does not exist: write FOLDER/SET, such as '
            'VOC2007/trainval, below the folder of PASCAL VOC'
        )
    pictures, annotations = place / 'JPEGImages', place / 'Annotations'
    check_folder(pictures, 'the folder of pictures')
    check_folder(annotations, 'the folder of annotations')
    by_name = by_stem(list(find_files(pictures, PICTURES)))
    items = []
    for _, text in read_lines(listed):
        # Lists of a class have 1, 0 or -1 behind the name.
        stem = text.split()[0]
        annotation = annotations / f'{stem}.xml'
        if not annotation.is_file():
            left_out.add('pictures without an annotation file', str(annotation))
        elif stem not in by_name:
            left_out.add('annotation files whose picture is missing', str(annotation))
        else:
            picture = by_name[stem]
            items.append(Item(picture.relative_to(folder).as_posix(), picture, annotation))
    return items


def _all_items(folder: Path, left_out: Tally) -> list[Item]:
    pictures, annotations = (
        place if place.is_dir() else folder
        for place in (folder / 'JPEGImages', folder / 'Annotations')
    )
    found = list(find_files(pictures, PICTURES)), list(find_files(annotations, ['.xml']))
    if not found[0]:
        raise InputError(f'there is no picture in {pictures}: name the folder that they are in')
    return [
        Item(picture.relative_to(folder).as_posix(), picture, annotation)
        for picture, annotation in pair_by_stem(*found, left_out)
    ]


def _read(path: Path, keep_difficult: bool) -> Contents:
    root = _parse(path)
    size = root.find('size')
    contents = Contents()
    if size is not None:
        contents.stated_size = tuple(
            _number(size, side, path) if size.find(side) is not None else 0
            for side in ('width', 'height')
        )
    for entry in root.findall('object'):
        name, box = (entry.findtext('name') or '').strip(), entry.find('bndbox')
        if not name:
            raise InputError(f'{path}, line {entry.get(_LINE)}: the object has no name')
        if box is None:
            raise InputError(f'{path}, line {entry.get(_LINE)}: the object has no bndbox')
        left, top, right, bottom = (_number(box, corner, path) for corner in _CORNERS)
        difficult = entry.find('difficult') is not None and _number(entry, 'difficult', path) > 0
        contents.objects.append(
            Object(name, (left - 1, top - 1, right, bottom), difficult and not keep_difficult)
        )
    return contents


def _parse(path: Path) -> Element:
    """The root of an XML file, each element with its line."""
    builder, parser = TreeBuilder(), expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        builder.start(tag, {**attributes, _LINE: str(parser.CurrentLineNumber)})

    parser.StartElementHandler = start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(path.read_bytes(), True)
    except OSError as error:
        raise InputError(f'{path} cannot be read: {error.strerror}') from error
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise InputError(f'{path}, line {error.lineno}: it is no XML, {reason}') from error
    root = builder.close()
    if root.tag != 'annotation':
        raise InputError(f'{path} has {root.tag!r} and no annotation as its root')
    return root


def _number(parent: Element, tag: str, path: Path) -> float:
    child = parent.find(tag)
    if child is None:
        raise InputError(f'{path}, line {parent.get(_LINE)}: {parent.tag} has no {tag}')
    text = (child.text or '').strip()
    # What people write of difficult objects.
    words = {'true': 1.0, 'false': 0.0, 'unspecified': 0.0}
    try:
        return words[text.lower()] if text.lower() in words else float(text)
    except ValueError:
        raise InputError(
            f'{path}, line {child.get(_LINE)}: the {tag} {text!r} is no number'
        ) from None
