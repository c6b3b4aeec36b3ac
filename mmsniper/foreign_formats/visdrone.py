"""VisDrone-DET: a text file for each picture, a line for each object.

A line is ``left,top,width,height,score,category,truncation,occlusion``, at times with a comma
behind. A score of 0 means that the object is not to be evaluated. Category 0 is a region full of
objects that nobody has marked, 11 ("others") a rare vehicle of none of the classes.
"""

from __future__ import annotations

from pathlib import Path

from mmsniper.errors import InputError

from .files import check_folder, find_files, find_pictures, pair_by_stem, read_lines, to_numbers
from .source import Contents, Item, Object, Source
from .tally import Tally

CLASSES = (
    *('pedestrian', 'people', 'bicycle', 'car', 'van', 'truck', 'tricycle', 'awning-tricycle'),
    *('bus', 'motor'),
)
PERSON = 'person'
_NUM_FIELDS = 8
_REGION, _OTHERS = 0, len(CLASSES) + 1


def visdrone_source(folder: Path, merge_people: bool = False, annotated: bool = True) -> Source:
    """A set of VisDrone-DET.

    Regions of category 0 and vehicles of category 11 are ignored whatever the class, objects of
    score 0 as objects of theirs.

    Args:
        folder: With the folders ``images`` and ``annotations``.
        merge_people: Whether pedestrians (who walk or stand) and people (who do not) become the
            class person, of nine.
        annotated: Whether to read annotations; else the pictures alone are listed.

    Raises:
        InputError: There is nothing in the folders, or they do not belong together.
    """
    check_folder(folder, 'the folder of VisDrone')
    images, annotations = folder / 'images', folder / 'annotations'
    pictures, left_out = find_pictures(images), Tally()
    if annotated:
        check_folder(annotations, 'the folder of annotations')
        pairs = list(pair_by_stem(pictures, list(find_files(annotations, ['.txt'])), left_out))
    else:
        pairs = [(picture, None) for picture in pictures]
    names = [PERSON if merge_people and name in CLASSES[:2] else name for name in CLASSES]
    return Source(
        format='VisDrone-DET',
        settings=dict(merge_people=merge_people, annotated=annotated),
        folder=images,
        classes=list(dict.fromkeys(names)),
        items=[
            Item(picture.relative_to(images).as_posix(), picture, annotation)
            for picture, annotation in pairs
        ],
        read=lambda item: _read(item.annotation, names),
        left_out=left_out,
    )


def _read(path: Path | None, names: list[str]) -> Contents:
    contents = Contents()
    for line, text in read_lines(path) if path is not None else ():
        words = text.rstrip(', ').split(',')
        if len(words) != _NUM_FIELDS:
            raise InputError(
                f'{path}, line {line}: {len(words)} values instead of the {_NUM_FIELDS} of '
                'VisDrone-DET (left, top, width, height, score, category, truncation, occlusion)'
            )
        left, top, width, height, score, category, _, _ = to_numbers(words, path, line)
        box = left, top, left + width, top + height
        if category in (_REGION, _OTHERS):
            contents.objects.append(Object(None, box, ignored=True))
        elif category in range(1, _OTHERS):
            contents.objects.append(Object(names[int(category) - 1], box, ignored=score == 0))
        else:
            where = f'{path}, line {line}'
            contents.left_out.add(f'objects of the unknown category {category:g}', where)
    return contents
