"""xView: one GeoJSON file with a feature for each object of all pictures.

Of a feature's properties ``bounds_imcoords`` is the box in pixels, ``'left,top,right,bottom'``,
``image_id`` the name of the picture's file and ``type_id`` the class.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmsniper.errors import InputError
from mmsniper.utils.json_file import read_json

from .files import find_pictures
from .source import Contents, Item, Object, Source
from .tally import Tally

# Every number that is not here is of no class, such as 75 and 82, which some features have.
NAMES = {
    **{11: 'Fixed-wing Aircraft', 12: 'Small Aircraft', 13: 'Cargo Plane', 15: 'Helicopter'},
    **{17: 'Passenger Vehicle', 18: 'Small Car', 19: 'Bus', 20: 'Pickup Truck'},
    **{21: 'Utility Truck', 23: 'Truck', 24: 'Cargo Truck', 25: 'Truck w/Box'},
    **{26: 'Truck Tractor', 27: 'Trailer', 28: 'Truck w/Flatbed', 29: 'Truck w/Liquid'},
    **{32: 'Crane Truck', 33: 'Railway Vehicle', 34: 'Passenger Car', 35: 'Cargo Car'},
    **{36: 'Flat Car', 37: 'Tank car', 38: 'Locomotive', 40: 'Maritime Vessel'},
    **{41: 'Motorboat', 42: 'Sailboat', 44: 'Tugboat', 45: 'Barge', 47: 'Fishing Vessel'},
    **{49: 'Ferry', 50: 'Yacht', 51: 'Container Ship', 52: 'Oil Tanker'},
    **{53: 'Engineering Vehicle', 54: 'Tower crane', 55: 'Container Crane', 56: 'Reach Stacker'},
    **{57: 'Straddle Carrier', 59: 'Mobile Crane', 60: 'Dump Truck', 61: 'Haul Truck'},
    **{62: 'Scraper/Tractor', 63: 'Front loader/Bulldozer', 64: 'Excavator'},
    **{65: 'Cement Mixer', 66: 'Ground Grader', 71: 'Hut/Tent', 72: 'Shed', 73: 'Building'},
    **{74: 'Aircraft Hangar', 76: 'Damaged Building', 77: 'Facility', 79: 'Construction Site'},
    **{83: 'Vehicle Lot', 84: 'Helipad', 86: 'Storage Tank', 89: 'Shipping container lot'},
    **{91: 'Shipping Container', 93: 'Pylon', 94: 'Tower'},
}
PARTS = 'all', 'train', 'val'
VAL_EVERY = 10


def xview_source(annotations: Path, images: Path, part: str = 'all') -> Source:
    """The annotated pictures of xView.

    Args:
        annotations: ``xView_train.geojson``.
        images: The folder of the pictures.
        part: xView has published no annotations for validation: ``'val'`` is every tenth of the
            pictures that the file names, by number, ``'train'`` the others.

    Raises:
        InputError: The file is malformed, or none of its pictures is there.
    """
    pictures = {path.name: path for path in reversed(find_pictures(images))}
    contents = _read_features(annotations)
    names = sorted(contents, key=_by_number)
    if part != 'all':
        chosen = set(names[VAL_EVERY - 1 :: VAL_EVERY])
        names = [name for name in names if (name in chosen) == (part == 'val')]
    left_out = Tally()
    for name in names:
        if name not in pictures:
            reason = 'objects whose picture is missing'
            left_out.add('pictures with annotations that are missing', name)
            left_out.add(reason, name, len(contents[name].objects))
    for name, path in sorted(pictures.items()):
        if name not in contents:
            left_out.add('pictures without an annotation', str(path))
    if not any(name in pictures for name in contents):
        raise InputError(
            f'none of the pictures that {annotations} names, such as {names[0]}, is in {images}: '
            'name the folder that they are in as --images'
        )
    return Source(
        format='xView',
        settings=dict(part=part),
        folder=images,
        classes=list(NAMES.values()),
        items=[
            Item(pictures[name].relative_to(images).as_posix(), pictures[name], annotations)
            for name in names
            if name in pictures
        ],
        read=lambda item: contents[item.picture.name],
        left_out=left_out,
    )


def _by_number(name: str) -> tuple:
    stem = Path(name).stem
    return (0, int(stem), name) if stem.isdigit() else (1, 0, name)


def _read_features(path: Path) -> dict[str, Contents]:
    """What is in each picture.

    Raises:
        InputError: The file is malformed.
    """
    file = read_json(path, 'annotation file')
    features = file.get('features') if isinstance(file, dict) else None
    if not isinstance(features, list) or not features:
        raise InputError(f"annotation file {path} has no list of features, so it is not xView's")
    found: dict[str, Contents] = {}
    for index, feature in enumerate(features):
        where = f'{path}, features[{index}]'
        properties = feature.get('properties') if isinstance(feature, dict) else None
        if not isinstance(properties, dict):
            raise InputError(f"{where} has no properties, so the file is not xView's")
        picture = properties.get('image_id')
        if not isinstance(picture, str):
            raise InputError(f'{where} has the image_id {picture!r}: give the name of a picture')
        contents = found.setdefault(picture, Contents())
        number = properties.get('type_id')
        if number not in NAMES:
            contents.left_out.add(f'objects of the unknown type_id {number!r}', where)
            continue
        box = _box(properties.get('bounds_imcoords'), where)
        contents.objects.append(Object(NAMES[number], box))
    return found


def _box(bounds: Any, where: str) -> tuple[float, float, float, float]:
    words: Iterable = bounds.split(',') if isinstance(bounds, str) else bounds or ()
    try:
        left, top, right, bottom = map(float, words)
    except (TypeError, ValueError):
        raise InputError(
            f'{where} has the bounds_imcoords {bounds!r}: give left, top, right and bottom'
        ) from None
    return left, top, right, bottom
