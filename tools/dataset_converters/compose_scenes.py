"""Composes scenes out of photographs at many scales: real texture, objects of 8 to 800 pixels.

Every scene is a canvas that holds whole photographs of COCO data sets side by side, at scales from
0.1 to 2; the annotations follow. Scenes for training show photographs of the training sources
alone, those for validation photographs of the validation sources. Objects that come out too small
to be seen are marked as crowds, which training and evaluation ignore, and are counted.

mmsniper/experiments/generation/generated_set.py says how the folder is laid out. Every scene
depends on the sources, the options, the seed, its split and its number alone, so the same command
gives the same bytes, and a larger set begins with the scenes of a smaller one.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmsniper.errors import InputError
from mmsniper.experiments.generation.generated_set import SPLITS, check_counts, make_set, save_split
from mmsniper.experiments.generation.mosaic import Layout, PhotographPool, compose
from mmsniper.experiments.generation.photographs import CATEGORY_CHOICES, fingerprint, read_source
from mmsniper.utils.json_file import write_json
from mmsniper.utils.script import run_script

TOOL = 'compose_scenes'
VERSION = 1  # of the scenes: raise it whenever the same command comes to give other pictures
BAR = 40  # characters of the longest bar of the histogram


def check(args: argparse.Namespace) -> None:
    """Raises InputError for options that no scene can satisfy."""
    check_counts(args.train, args.val, args.seed)
    if min(args.width, args.height) < 16:
        raise InputError(
            f'--width {args.width} --height {args.height} is too small: give 16 or more'
        )
    for option in ('scales', 'sizes'):
        low, high = getattr(args, option)
        if not 0 < low <= high < math.inf:
            raise InputError(f'--{option} {low:g} {high:g} is no range: give 0 < LO <= HI')
    if not 0 <= args.min_size < math.inf:
        raise InputError(f'--min-size {args.min_size:g} is no size: give 0 or more')
    if args.max_photographs < 1:
        raise InputError(f'--max-photographs {args.max_photographs} is too few: give at least 1')


def read_sources(args: argparse.Namespace) -> tuple[dict[str, list], list[str], dict[str, list]]:
    """Reads the sources of both splits.

    Returns:
        tuple: For each split a list of sources, which are lists of ``Photograph``; the classes of
        all sources; for each split the fingerprints of its sources.

    Raises:
        InputError: A source cannot be used, or an image is in both splits.
    """
    sources: dict[str, list] = {}
    fingerprints: dict[str, list] = {}
    names: dict[str, None] = {}
    for split in SPLITS:
        sources[split], fingerprints[split] = [], []
        for file, folder in getattr(args, f'{split}_source'):
            photographs, found = read_source(Path(file), Path(folder), args.categories)
            sources[split].append(photographs)
            fingerprints[split].append(fingerprint(Path(file), photographs))
            names.update(dict.fromkeys(found))
    paths = [
        {photo.path.resolve() for source in sources[split] for photo in source} for split in SPLITS
    ]
    shared = sorted(paths[0] & paths[1])
    if shared:
        raise InputError(
            f'image {shared[0]} is in a --train-source and in a --val-source: what is validated '
            'must not be trained on, so give each image to one of them'
        )
    return sources, list(names), fingerprints


def make_pools(sources: dict[str, list], args: argparse.Namespace) -> dict[str, PhotographPool]:
    """The photographs of each split to draw from.

    Raises:
        InputError: A source has no photograph that fits on the canvas, or a split has no object.
    """
    layout = Layout(
        args.width,
        args.height,
        tuple(args.scales),
        tuple(args.sizes),
        args.min_size,
        args.max_photographs,
    )
    pools = {}
    for split in SPLITS:
        pools[split] = PhotographPool(sources[split], layout)
        for (file, _), source in zip(getattr(args, f'{split}_source'), pools[split].sources):
            if not source:
                raise InputError(
                    f'no image of {file} fits on {args.width}x{args.height} pixels at scale '
                    f'{args.scales[0]:g}: lower the first of --scales or enlarge --width and '
                    '--height'
                )
        if not pools[split].num_objects:
            raise InputError(
                f'the images of --{split}-source have no object with a box: name a source that has '
                'some'
            )
    return pools


def compose_set(args: argparse.Namespace) -> bool:
    """Composes the set unless it is there already, see ``make_set``.

    Returns:
        bool: False if a finished set of the same sources and options was kept.

    Raises:
        InputError: Options or sources cannot be used, or ``out_dir`` holds something else.
    """
    check(args)
    sources, names, fingerprints = read_sources(args)
    pools = make_pools(sources, args)
    category_ids = {name: number + 1 for number, name in enumerate(names)}
    categories = [dict(id=number, name=name) for name, number in category_ids.items()]

    def write_split(folder: Path, split: str) -> None:
        save_split(
            folder,
            split,
            getattr(args, split),
            args.seed,
            categories,
            lambda rng: compose(rng, pools[split], category_ids),
        )

    keys = (
        *('train', 'val', 'width', 'height', 'seed', 'scales', 'sizes', 'min_size'),
        *('max_photographs', 'categories'),
    )
    parameters = dict(version=VERSION, **{key: getattr(args, key) for key in keys})
    return make_set(args.out_dir, TOOL, dict(parameters, sources=fingerprints), write_split)


def measure(out_dir: Path, min_size: float) -> dict[str, dict[str, Any]]:
    """Figures of a finished set.

    Returns:
        dict: For each split the numbers of images, photographs, objects (those that count), of
        crowds in the sources and of objects that are too small, objects by class and by size
        (octaves of sqrt(w * h), by their lower bound in pixels), and the share of the canvas that
        photographs fill.
    """
    figures = {}
    for split in SPLITS:
        content = json.loads((out_dir / 'annotations' / f'{split}.json').read_text())
        names = {category['id']: category['name'] for category in content['categories']}
        crowd = np.array([entry['iscrowd'] for entry in content['annotations']], bool)
        sides = np.array([entry['bbox'][2:] for entry in content['annotations']]).reshape(-1, 2)
        sizes = np.sqrt(sides.prod(axis=1))
        labels = np.array([entry['category_id'] for entry in content['annotations']], int)
        octaves = np.floor(np.log2(sizes[~crowd])).astype(int)
        classes, counts = np.unique(labels[~crowd], return_counts=True)
        places = [photo['bbox'] for image in content['images'] for photo in image['photographs']]
        filled = sum(width * height for _, _, width, height in places)
        pixels = sum(image['width'] * image['height'] for image in content['images'])
        figures[split] = dict(
            images=len(content['images']),
            photographs=len(places),
            filled=filled / pixels,
            objects=int((~crowd).sum()),
            crowds=int((crowd & (sizes >= min_size)).sum()),
            too_small=int((crowd & (sizes < min_size)).sum()),
            by_class={names[label]: int(n) for label, n in zip(classes.tolist(), counts)},
            by_size={
                f'{2.0**octave:g}': int((octaves == octave).sum())
                for octave in range(min(octaves, default=0), max(octaves, default=-1) + 1)
            },
        )
    return figures


def report(figures: dict[str, dict[str, Any]], min_size: float) -> str:
    """The figures of ``measure`` as text: sums, and a histogram of sizes."""
    lines = []
    for split, found in figures.items():
        lines.append(
            f'{split}: {found["images"]} scenes of {found["photographs"]} photographs, which fill '
            f'{found["filled"]:.0%}; {found["objects"]} objects of {len(found["by_class"])} '
            f'classes; ignored: {found["too_small"]} objects below {min_size:g} px and '
            f'{found["crowds"]} crowds'
        )
    lowest = sorted({float(low) for found in figures.values() for low in found['by_size']})
    top = max((n for found in figures.values() for n in found['by_size'].values()), default=1)
    lines.append('objects by sqrt(w * h) in pixels:')
    for low in lowest:
        for split, found in figures.items():
            count = found['by_size'].get(f'{low:g}', 0)
            bar = '#' * math.ceil(BAR * count / top)
            lines.append(f'{low:6g} to {2 * low:<5g} {split:6}{count:7} {bar}'.rstrip())
    return '\n'.join(lines)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for split, use in (('train', 'training'), ('val', 'validation')):
        parser.add_argument(
            f'--{split}-source',
            nargs=2,
            action='append',
            required=True,
            metavar=('ANN.json', 'IMAGES_DIR'),
            help=f'COCO annotations and images to make scenes for {use} of; may be repeated, and '
            'photographs are then taken from all alike',
        )
    parser.add_argument('--out-dir', type=Path, required=True, help='folder to make')
    add = parser.add_argument
    add('--train', type=int, default=200, help='training scenes (default: %(default)s)')
    add('--val', type=int, default=60, help='validation scenes (default: %(default)s)')
    add('--seed', type=int, default=0, help='same seed, same bytes (default: %(default)s)')
    add('--width', type=int, default=1600, help='of the scenes, pixels (default: %(default)s)')
    add('--height', type=int, default=1200, help='of the scenes, pixels (default: %(default)s)')
    add(
        '--scales',
        type=float,
        nargs=2,
        default=[0.1, 2.0],
        metavar=('LO', 'HI'),
        help='by which photographs are resized (default: 0.1 2)',
    )
    add(
        '--sizes',
        type=float,
        nargs=2,
        default=[8.0, 800.0],
        metavar=('LO', 'HI'),
        help='sqrt(w*h) in pixels that objects shall have: of the first photographs of each scene '
        'one object gets a size out of this range, each octave alike (default: 8 800)',
    )
    add(
        '--min-size',
        type=float,
        default=4.0,
        metavar='PIXELS',
        help='objects with a smaller sqrt(w*h) are marked as crowds (default: 4)',
    )
    add(
        '--max-photographs',
        type=int,
        default=6,
        metavar='N',
        help='most photographs in a scene; those beyond 4 fill the gaps, which gives more objects, '
        'most of them small, and more chips (default: %(default)s)',
    )
    add(
        '--categories',
        choices=CATEGORY_CHOICES,
        default='all',
        help='classes of the set: all of the sources, where the same name is the same class; their '
        'supercategories (the name, where there is none); or a single one, "object" (default: all)',
    )
    add('--json', metavar='FILE', help='write the figures, "-": standard output')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Composes the data set that the command line asks for."""
    args = parse_args(argv)
    composed = compose_set(args)
    done = 'composed' if composed else 'kept, already composed of these sources and options:'
    print(f'{done} {args.train} training and {args.val} validation scenes in {args.out_dir}')
    figures = measure(args.out_dir, args.min_size)
    print(report(figures, args.min_size))
    if args.json:
        write_json(args.json, figures)


if __name__ == '__main__':
    run_script(main)
