"""The folder of a COCO data set that a tool makes from a seed, written whole or not at all.

Layout, for a tool called NAME::

    DIR/train/000000.jpg ...    DIR/val/000000.jpg ...
    DIR/annotations/train.json  DIR/annotations/val.json
    DIR/NAME.json               the parameters that it was made with

Every image depends on the seed, its split and its number alone, so the same parameters give the
same bytes, and a larger set begins with the images of a smaller one.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable

import cv2
import numpy as np
from tqdm import tqdm

from mmsniper.errors import InputError

SPLITS = ('train', 'val')
JPEG = [
    cv2.IMWRITE_JPEG_QUALITY,
    95,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,  # halved colour would smear objects of 8 px
]


def check_counts(train: int, val: int, seed: int) -> None:
    """Raises InputError for a split without images, or a seed that NumPy would refuse."""
    for key, count in (('train', train), ('val', val)):
        if count < 1:
            raise InputError(f'--{key} {count} is too few: give at least 1')
    if seed < 0:
        raise InputError(f'--seed {seed} is negative: give 0 or more')


def check_replaceable(out_dir: Path, tool: str) -> None:
    """Makes sure that nothing is lost if ``out_dir``, a resolved path, is replaced.

    Raises:
        InputError: It is a file, or a folder with anything in it that the tool did not write.
    """
    if not out_dir.exists():
        return
    if not out_dir.is_dir():
        raise InputError(f'--out-dir {out_dir} is a file: name a folder')
    own_files = re.compile(
        rf'{re.escape(tool)}\.json|train|val|annotations'
        r'|annotations/(train|val)\.json|(train|val)/\d{6,}\.jpg'
    )
    found = [path.relative_to(out_dir).as_posix() for path in sorted(out_dir.rglob('*'))]
    foreign = [name for name in found if not own_files.fullmatch(name)]
    if found and f'{tool}.json' not in found:
        foreign = foreign or found
    if foreign:
        raise InputError(
            f'--out-dir {out_dir} holds {foreign[0]}, which this tool did not write: '
            'name another folder'
        )


def is_finished(out_dir: Path, tool: str, parameters: dict[str, Any]) -> bool:
    """Whether ``out_dir`` holds a whole set with these parameters."""
    marker = out_dir / f'{tool}.json'
    return (
        marker.is_file()
        and marker.read_text() == json.dumps(parameters)
        and all(
            (out_dir / 'annotations' / f'{split}.json').is_file()
            and len(list((out_dir / split).glob('*.jpg'))) == parameters[split]
            for split in SPLITS
        )
    )


def make_set(
    out_dir: Path,
    tool: str,
    parameters: dict[str, Any],
    write_split: Callable[[Path, str], None],
) -> bool:
    """Makes a set unless it is there already.

    The files are written to a temporary folder beside ``out_dir`` and moved there at the end, so an
    interrupted run leaves nothing behind. A set with other parameters is replaced.

    Args:
        out_dir: The folder to make.
        tool: Name of the tool; a folder is replaced only where it holds that tool's files alone.
        parameters: All that the set depends on, what JSON can hold; ``'train'`` and ``'val'`` are
            the numbers of images.
        write_split: Called with the folder and the name of a split, as ``save_split``.

    Returns:
        bool: False if a finished set with the same parameters was kept.

    Raises:
        InputError: ``out_dir`` cannot be made, or holds something else.
    """
    # Before any look at it: 'missing/../folder' does not exist until 'missing' is made.
    out_dir = out_dir.resolve()
    check_replaceable(out_dir, tool)
    if is_finished(out_dir, tool, parameters):
        return False
    try:
        out_dir.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f'--out-dir {out_dir} cannot be made: {error.strerror}') from error
    with tempfile.TemporaryDirectory(prefix=f'.{out_dir.name}-', dir=out_dir.parent) as work:
        folder = Path(work) / 'new'
        folder.mkdir()
        for split in SPLITS:
            write_split(folder, split)
        (folder / f'{tool}.json').write_text(json.dumps(parameters))
        check_replaceable(out_dir, tool)  # again, for what came while drawing
        if out_dir.exists():
            out_dir.rename(Path(work) / 'old')
        folder.rename(out_dir)
    return True


def save_split(
    folder: Path,
    split: str,
    count: int,
    seed: int,
    categories: Sequence[dict],
    make_image: Callable[[np.random.Generator], tuple[np.ndarray, list[dict], dict]],
) -> None:
    """Writes the images and the annotation file of one split below ``folder``.

    Args:
        folder: The folder of the set.
        split: One of ``SPLITS``.
        count: How many images.
        seed: Of the set.
        categories: As in the annotation file.
        make_image: Makes one image out of random numbers. It returns the image, (H, W, 3) uint8
            BGR, its annotations without the keys ``id`` and ``image_id``, and further keys for its
            entry in the annotation file.
    """
    (folder / split).mkdir()
    images, annotations = [], []
    for number in tqdm(range(count), desc=split, unit='image'):
        image, found, facts = make_image(np.random.default_rng([seed, SPLITS.index(split), number]))
        for annotation in found:
            annotations.append(dict(id=len(annotations) + 1, image_id=number + 1, **annotation))
        name = f'{number:06d}.jpg'
        height, width = image.shape[:2]
        images.append(dict(id=number + 1, file_name=name, height=height, width=width, **facts))
        if not cv2.imwrite(str(folder / split / name), image, JPEG):
            raise InputError(f'{folder / split / name} cannot be written: check --out-dir')
    content = dict(images=images, annotations=annotations, categories=list(categories))
    (folder / 'annotations').mkdir(exist_ok=True)
    (folder / 'annotations' / f'{split}.json').write_text(json.dumps(content))
