"""Measure how many chips a data set needs, what they cost, and how fast they are made.

Figures are means over all images of a file, with or without objects; crowd annotations are not
used. The defaults are those of the original SNIPER (arXiv:1805.09300), its stride and its box
filter included.
"""

import argparse
import json
import sys
import time
from typing import Any

import numpy as np

from mmsniper.analysis.coco_boxes import Annotations, load_annotations
from mmsniper.analysis.cost import chip_megapixels, megapixels
from mmsniper.chips import ChipTable, Pyramid, negative_chips, positive_chips
from mmsniper.datasets.box_table import BoxTable
from mmsniper.datasets.proposal_file import read_proposals
from mmsniper.datasets.proposal_matching import match_proposals
from mmsniper.errors import InputError
from mmsniper.utils.arguments import non_negative_int, positive_int
from mmsniper.utils.json_file import write_json
from mmsniper.utils.script import run_script

PYRAMID = Pyramid(
    levels=((1400, 2000), (800, 1280), (-1, 512)), valid_ranges=((-1, 80), (32, 150), (120, -1))
)
# What detectors are usually trained at on COCO, to compare the cost with.
SINGLE_SCALE = Pyramid(levels=((800, 1333),), valid_ranges=((-1, -1),))


def measure(path: str, args: argparse.Namespace) -> dict[str, Any]:
    """Figures of one annotation file, see ``--help`` of the script."""
    data = load_annotations(path)
    num_images = len(data.heights)
    factors = PYRAMID.scale_factors(data.heights, data.widths)
    options = dict(chip_size=args.chip_size, stride=args.stride, cover_long=args.cover_long)
    proposals = load_proposals(args.proposals, path, data) if args.proposals else None

    def generate(seed: int) -> ChipTable:
        chips = positive_chips(*data, PYRAMID, seed=seed, **options)
        if proposals is None:
            return chips
        grid = dict(chip_size=args.chip_size, stride=args.stride)
        sizes = data.heights, data.widths
        negatives = negative_chips(*proposals, *sizes, PYRAMID, chips, seed=seed, **grid)
        return ChipTable.join([chips, negatives])

    generate(args.seed)  # compiles the kernels, or loads them from Numba's cache
    seconds, per_level, area = [], [], []
    for seed in range(args.seed, args.seed + args.repeat):
        begin = time.perf_counter()
        chips = generate(seed)
        seconds.append(time.perf_counter() - begin)
        counts = [
            np.bincount(chips.level[chips.negative == negative], minlength=PYRAMID.num_levels)
            for negative in (False, True)
        ]
        per_level.append(np.array(counts) / num_images)
        area.append(float(chip_megapixels(chips, factors).sum()) / num_images)
    positive, negative = np.mean(per_level, axis=0)
    single = SINGLE_SCALE.scale_factors(data.heights, data.widths)
    return dict(
        file=str(path),
        images=num_images,
        chips_per_image=float(positive.sum() + negative.sum()),
        chips_per_level=positive.tolist(),
        negatives_per_image=float(negative.sum()),
        negatives_per_level=negative.tolist(),
        mpx_per_image=float(np.mean(area)),
        mpx_single_scale=megapixels(data.heights, data.widths, single) / num_images,
        mpx_pyramid=megapixels(data.heights, data.widths, factors) / num_images,
        ms_per_image=min(seconds) / num_images * 1e3,
    )


def load_proposals(
    proposal_file: str, annotation_file: str, data: Annotations
) -> tuple[np.ndarray, np.ndarray]:
    """Proposals (n, 4) of the images of an annotation file, and where those of each image start."""
    with open(annotation_file, encoding='utf-8') as file:
        names = [image.get('file_name') for image in json.load(file)['images']]
    if not all(names):
        raise InputError(
            f'{annotation_file} has images without a file_name, by which proposals are found; add '
            'it.'
        )
    images = BoxTable(
        paths=np.array(names, dtype=str),
        heights=data.heights,
        widths=data.widths,
        boxes=data.boxes,
        labels=np.zeros(len(data.boxes), np.int64),
        image_starts=data.image_starts,
    )
    return match_proposals(read_proposals(proposal_file), images, f'proposal file {proposal_file}')


def format_table(figures: list[dict[str, Any]]) -> str:
    """The figures as lines of text, one per annotation file."""
    header = (
        f'{"images":>7} {"chips/image":>12} {"positive":>18} {"negative":>18} {"Mpx/image":>10} '
        f'{"single scale":>13} {"pyramid":>8} {"ms/image":>9}  file'
    )
    lines = [header]
    for row in figures:
        positive, negative = (
            ', '.join(f'{chips:.2f}' for chips in row[key])
            for key in ('chips_per_level', 'negatives_per_level')
        )
        lines.append(
            f'{row["images"]:7d} {row["chips_per_image"]:12.2f} {positive:>18} {negative:>18} '
            f'{row["mpx_per_image"]:10.3f} {row["mpx_single_scale"]:13.3f} '
            f'{row["mpx_pyramid"]:8.3f} {row["ms_per_image"]:9.4f}  {row["file"]}'
        )
    return '\n'.join(lines)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('annotations', nargs='+', metavar='ANN', help='COCO annotation files')
    parser.add_argument('--stride', type=positive_int, default=58, help='grid stride (default: 58)')
    parser.add_argument(
        '--proposals',
        metavar='FILE',
        help='proposals on the images, to measure negative chips as well: .npz, or .pkl of '
        'DumpProposals (which can run code when it is loaded)',
    )
    parser.add_argument('--chip-size', type=positive_int, default=512, help='default: 512')
    parser.add_argument('--seed', type=non_negative_int, default=0, help='first seed (default: 0)')
    parser.add_argument(
        '--repeat',
        type=positive_int,
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
