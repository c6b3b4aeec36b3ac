"""Measure how long it takes to load chips, and the views of testing.

Ways: "mmdet" is MMDetection's LoadImageFromFile and Resize to (800, 1333), of whole images;
"before" is LoadIntactImage, ChipSample and ScaleNormalize; "windows" has LoadChip in place of the
first; "tiled" has it too, on files that tools/dataset_converters/tile_images.py would write, which
go to a temporary folder. All ways load the same chips of a training's epochs, or all views of the
same images, in turn and each in a process of its own. Files are in the system's cache already.
Pixels of more than 8 bits are brought to 8 by the range of 16 bits, whatever would suit the files.
Medians over epochs, in testing over images. Needs Linux.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import MMLogger
from tqdm import tqdm

from mmsniper.errors import InputError
from mmsniper.experiments.benchmarks.chip_loading import WORDS, measure_chips, measure_views
from mmsniper.experiments.benchmarks.loading_images import (
    TILED,
    TO_BANDS,
    WAYS,
    WHOLE,
    Chips,
    prepare_images,
)
from mmsniper.experiments.benchmarks.provenance import provenance
from mmsniper.images.tiled_set import Outcome, Picture
from mmsniper.utils.arguments import non_negative_int, positive_int, python_literal
from mmsniper.utils.json_file import write_json
from mmsniper.utils.script import run_script


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('annotations', type=Path, metavar='ANN', help='COCO annotation file')
    add('images', type=Path, metavar='IMAGES', help='the folder of its images')
    add('--ways', nargs='+', choices=WAYS, help='default: all; with --bands the last two')
    add(
        '--bands',
        nargs='+',
        type=positive_int,
        metavar='BAND',
        help='which bands of the files become channels, such as 3 2 1',
    )
    add(
        '--workers',
        type=non_negative_int,
        default=0,
        metavar='N',
        help='of the data loader in training; the ways then take turns by epochs (default: 0)',
    )
    add('--epochs', type=positive_int, default=3, help='of chips (default: %(default)s)')
    add(
        '--max-images',
        type=positive_int,
        default=100,
        metavar='N',
        help='the most images with objects, drawn at random (default: %(default)s)',
    )
    add(
        '--test-images',
        type=non_negative_int,
        default=10,
        metavar='N',
        help='of them, whose views are loaded; 0 leaves testing out (default: %(default)s)',
    )
    add(
        '--tile-size',
        type=positive_int,
        default=1024,
        metavar='PIXELS',
        help='largest side of a view where testing has tiles (default: %(default)s)',
    )
    add(
        '--levels',
        type=python_literal,
        metavar='LIST',
        help='such as "[1, 0.5, 0.25]" (default: those of COCO)',
    )
    add(
        '--valid-ranges',
        type=python_literal,
        metavar='LIST',
        help='such as "[(-1, 80), (32, 150), (120, -1)]"',
    )
    add('--chip-size', type=positive_int, default=512, metavar='PIXELS', help='default: 512')
    add('--seed', type=non_negative_int, default=0, help='of images and chips (default: 0)')
    add('--json', metavar='FILE', help='write the figures, "-": standard output')
    return parser.parse_args(argv)


def show_tiling(pictures: Sequence[Picture], outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """Show how far the tiling is."""
    return tqdm(outcomes, 'tiling', len(pictures), unit='image', leave=False)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """The figures, see ``--help``.

    Raises:
        InputError: Files or settings cannot be used.
    """
    if (args.levels is None) != (args.valid_ranges is None):
        raise InputError('--levels and --valid-ranges belong together: give both or neither')
    possible = TO_BANDS if args.bands else WAYS
    ways = [way for way in WAYS if way in (args.ways or possible)]
    if not set(ways) <= set(possible):
        raise InputError(f'--bands are taken by the ways {" and ".join(possible)} alone')
    chips = Chips(args.levels, args.valid_ranges, args.chip_size, args.seed, args.bands)
    figures: dict[str, Any] = dict(files=[args.annotations, args.images])
    figures.update(provenance(threads=1))
    with tempfile.TemporaryDirectory(prefix='chip_loading-') as folder:
        images = prepare_images(
            args.annotations,
            args.images,
            Path(folder),
            args.max_images,
            args.seed,
            TILED in ways,
            show_tiling,
        )
        figures['images'] = images.num_images
        if images.tiled:
            before, after = images.tiled.bytes_before, images.tiled.bytes_after
            figures['tiling'] = dict(mb_before=before / 1e6, mb_after=after / 1e6)
        with tqdm(desc='chips', unit='chip', leave=False) as bar:
            figures['training'] = measure_chips(
                images, chips, ways, args.epochs, args.workers, bar.update
            )
        figures['testing'] = []
        ways = [way for way in ways if way != WHOLE]
        if args.test_images and ways:
            with tqdm(desc='views', unit='image', leave=False) as bar:
                figures['testing'] = measure_views(
                    images, chips, (None, args.tile_size), ways, args.test_images, bar.update
                )
    return figures


def format_tables(figures: dict[str, Any]) -> str:
    """The figures as text."""
    width = max(map(len, WORDS.values()))
    head = f'{"chips":{width}} {"per image":>10} {"ms each":>9} {"ms/image":>9} {"faster":>7}'
    lines = [f'{head} {"peak MB":>8}']
    for row in figures['training']:
        lines.append(
            f'{WORDS[row["way"]]:{width}} {row["items_per_image"]:10.2f} {row["ms_per_item"]:9.2f} '
            f'{row["ms_per_image"]:9.2f} {times(row):>7} {row["peak_mb"]:8.0f}'
        )
    if figures['testing']:
        head = f'{"views":{width}} {"per image":>10} {"tile":>9} {"s/image":>9} {"faster":>7}'
        lines += ['', f'{head} {"peak MB":>8} {"at start":>8}']
    for row in figures['testing']:
        lines.append(
            f'{WORDS[row["way"]]:{width}} {row["views_per_image"]:10.2f} '
            f'{row["tile_size"] or "none":>9} {row["seconds_per_image"]:9.3f} {times(row):>7} '
            f'{row["peak_mb"]:8.0f} {row["start_mb"]:8.0f}'
        )
    if 'tiling' in figures:
        tiling = figures['tiling']
        lines += ['', f'tiled: {tiling["mb_before"]:.1f} MB are {tiling["mb_after"]:.1f} MB']
    return '\n'.join(lines)


def times(row: dict[str, Any]) -> str:
    """How many times faster than before, '' where that is not known."""
    return '' if row['times_faster'] is None else f'{row["times_faster"]:.2f}x'


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    MMLogger.get_current_instance().setLevel('WARNING')
    figures = measure(args)
    print(format_tables(figures), file=sys.stderr if args.json == '-' else sys.stdout)
    if args.json:
        write_json(args.json, figures)


if __name__ == '__main__':
    run_script(main)
