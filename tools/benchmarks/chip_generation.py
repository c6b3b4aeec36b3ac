"""Measure how many positive chips a data set needs, what they cost, and how fast they are made.

Figures are means over all images of a file, with or without objects; crowd annotations are not
used. The defaults are those of the original SNIPER (arXiv:1805.09300), its stride and its box
filter included.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmsniper.chips import ChipTable, Pyramid, positive_chips
from mmsniper.errors import InputError
from mmsniper.utils.json_file import write_json
from mmsniper.utils.script import run_script

PYRAMID = Pyramid(
    levels=((1400, 2000), (800, 1280), (-1, 512)), valid_ranges=((-1, 80), (32, 150), (120, -1))
)
# What detectors are usually trained at on COCO, to compare the cost with.
SINGLE_SCALE = Pyramid(levels=((800, 1333),), valid_ranges=((-1, -1),))


class Annotations(NamedTuple):
    """Boxes of n objects in m images, laid out as ``positive_chips`` takes them."""

    boxes: np.ndarray
    image_starts: np.ndarray
    heights: np.ndarray
    widths: np.ndarray


def load_annotations(path: str) -> Annotations:
    """Read the boxes of a COCO file without its crowds.

    Args:
        path (str): The JSON file.

    Returns:
        Annotations: All images of the file, in its order.

    Raises:
        InputError: If the file is missing, no COCO file, or without images, or if an annotation is
            broken.
    """
    if not Path(path).is_file():
        raise InputError(f'{path} is not a file; give the path of a COCO annotation file.')
    try:
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
        images = content['images']
        objects = [entry for entry in content['annotations'] if not entry.get('iscrowd', 0)]
        heights = np.array([image['height'] for image in images], dtype=np.int64)
        widths = np.array([image['width'] for image in images], dtype=np.int64)
        index_of = {image['id']: index for index, image in enumerate(images)}
        owners = np.array([index_of.get(entry['image_id'], -1) for entry in objects], np.int64)
        corners = np.array([entry['bbox'] for entry in objects], np.float32).reshape(-1, 4)
    except OSError as error:
        raise InputError(f'{path} cannot be read: {error.strerror}.') from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f'{path} is no COCO annotation file ({type(error).__name__}: {error}); it needs images '
            'with id, height and width, and annotations with image_id and bbox.'
        ) from error
    if not images:
        raise InputError(f'{path} has no images; give an annotation file with at least one.')
    if len(objects) != len(corners) or (owners < 0).any() or not np.isfinite(corners).all():
        raise InputError(
            f'{path} has annotations without a box of four finite numbers or of an image that it '
            'does not list; repair or remove them.'
        )
    if (heights <= 0).any() or (widths <= 0).any():
        raise InputError(f'{path} has images without a positive height and width; correct them.')
    boxes = np.concatenate((corners[:, :2], corners[:, :2] + corners[:, 2:]), axis=1)
    counts = np.bincount(owners, minlength=len(images))
    starts = np.concatenate(([0], np.cumsum(counts)))
    return Annotations(boxes[np.argsort(owners, kind='stable')], starts, heights, widths)


def megapixels(heights: np.ndarray, widths: np.ndarray, factors: np.ndarray) -> float:
    """Total area after resizing, sides rounded as when resizing.

    Args:
        heights (np.ndarray): (n,) in original pixels.
        widths (np.ndarray): (n,) in original pixels.
        factors (np.ndarray): (n,) or (n, L).

    Returns:
        float: Sum over all entries in 10**6 pixels.
    """
    factors = factors.reshape(len(heights), -1)
    sides_y = np.floor(heights[:, None] * factors + 0.5)
    sides_x = np.floor(widths[:, None] * factors + 0.5)
    return float((sides_y * sides_x).sum() / 1e6)


def chip_megapixels(chips: ChipTable, factors: np.ndarray) -> float:
    """Total area of chips as the detector gets them; ``factors`` (m, L) are the images'."""
    sides = chips.boxes[:, 2:] - chips.boxes[:, :2]
    return megapixels(sides[:, 1], sides[:, 0], factors[chips.image, chips.level])


def measure(path: str, args: argparse.Namespace) -> dict[str, Any]:
    """Figures of one annotation file, see ``--help`` of the script."""
    data = load_annotations(path)
    num_images = len(data.heights)
    factors = PYRAMID.scale_factors(data.heights, data.widths)
    options = dict(chip_size=args.chip_size, stride=args.stride, cover_long=args.cover_long)
    # Compiles the kernels, or loads them from Numba's cache.
    positive_chips(*data, PYRAMID, seed=args.seed, **options)
    seconds, per_level, area = [], [], []
    for seed in range(args.seed, args.seed + args.repeat):
        begin = time.perf_counter()
        chips = positive_chips(*data, PYRAMID, seed=seed, **options)
        seconds.append(time.perf_counter() - begin)
        per_level.append(np.bincount(chips.level, minlength=PYRAMID.num_levels) / num_images)
        area.append(chip_megapixels(chips, factors) / num_images)
    per_level = np.mean(per_level, axis=0)
    single = SINGLE_SCALE.scale_factors(data.heights, data.widths)
    return dict(
        file=str(path),
        images=num_images,
        chips_per_image=float(per_level.sum()),
        chips_per_level=per_level.tolist(),
        mpx_per_image=float(np.mean(area)),
        mpx_single_scale=megapixels(data.heights, data.widths, single) / num_images,
        mpx_pyramid=megapixels(data.heights, data.widths, factors) / num_images,
        ms_per_image=min(seconds) / num_images * 1e3,
    )


def format_table(figures: list[dict[str, Any]]) -> str:
    """The figures as lines of text, one per annotation file."""
    header = (
        f'{"images":>7} {"chips/image":>12} {"per level":>18} {"Mpx/image":>10} '
        f'{"single scale":>13} {"pyramid":>8} {"ms/image":>9}  file'
    )
    lines = [header]
    for row in figures:
        levels = ', '.join(f'{chips:.2f}' for chips in row['chips_per_level'])
        lines.append(
            f'{row["images"]:7d} {row["chips_per_image"]:12.2f} {levels:>18} '
            f'{row["mpx_per_image"]:10.3f} {row["mpx_single_scale"]:13.3f} '
            f'{row["mpx_pyramid"]:8.3f} {row["ms_per_image"]:9.4f}  {row["file"]}'
        )
    return '\n'.join(lines)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text} must be 1 or more')
    return value


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('annotations', nargs='+', metavar='ANN', help='COCO annotation files')
    parser.add_argument('--stride', type=_positive, default=58, help='grid stride (default: 58)')
    parser.add_argument('--chip-size', type=_positive, default=512, help='default: 512')
    parser.add_argument('--seed', type=int, default=0, help='first seed (default: 0)')
    parser.add_argument(
        '--repeat',
        type=_positive,
        default=10,
        help='runs per file, each with the next seed; chips and Mpx are their mean, the time that '
        'of the fastest (default: 10)',
    )
    parser.add_argument(
        '--cover-long',
        action='store_true',
        help='also cover boxes nearly as long as a chip, which training does and the original '
        'does not',
    )
    parser.add_argument('--json', metavar='FILE', help='write the figures, "-": standard output')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    figures = [measure(path, args) for path in args.annotations]
    print(format_table(figures), file=sys.stderr if args.json == '-' else sys.stdout)
    if args.json:
        write_json(args.json, figures)


if __name__ == '__main__':
    run_script(main)
