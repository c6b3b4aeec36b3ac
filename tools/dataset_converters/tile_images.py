"""Write the pictures of a COCO annotation file as tiled TIFFs, of which a chip costs what it shows.

Each picture becomes a TIFF with tiles of 256 pixels and a pyramid of halved levels, which QGIS,
OpenSlide and libvips read too. DIR gets the annotation file under its own name, which names the new
pictures and is otherwise unchanged; folders below --images stay.

Colour and grey of 8 bits are compressed as JPEG, everything else (and these, with --lossless)
without loss. Pixels stay as they are stored, with their orientation tag; docs/images.md has more.

A picture is written whole or not at all. With --resume one that is there is kept if it is whole, no
older than its source, and says that it was made from a file of that name and size in the same way;
otherwise it is written again.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from mmsniper.images.tiled_set import Outcome, Picture, tile_set
from mmsniper.utils.arguments import positive_int
from mmsniper.utils.script import run_script


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('annotations', type=Path, metavar='ANN', help='COCO annotation file')
    add('--images', type=Path, required=True, metavar='DIR', help='the folder of its pictures')
    add('--out-dir', type=Path, required=True, metavar='DIR', help='folder to make')
    num_cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    add(
        '--jobs',
        type=positive_int,
        default=num_cores or 1,
        metavar='N',
        help='processes (default: one for each core)',
    )
    add('--quality', type=quality, default=95, help='of JPEG, 1 to 100 (default: %(default)s)')
    add(
        '--lossless',
        action='store_true',
        help='compress without loss, which takes several times as much room',
    )
    add('--resume', action='store_true', help='go on with an earlier run')
    return parser.parse_args(argv)


def quality(text: str) -> int:
    """A whole number from 1 to 100.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    value = positive_int(text)
    if value > 100:
        raise argparse.ArgumentTypeError(f'{text} must be 100 or less')
    return value


def show(pictures: Sequence[Picture], outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """Show how far the work is, what fails, and how much room it will take."""
    num_pixels = sum(picture.num_pixels for picture in pictures)
    done_pixels = done_bytes = 0
    with tqdm(total=len(pictures), desc='tiling', unit='image') as bar:
        for outcome in outcomes:
            if outcome.failure:
                bar.write(outcome.failure, file=sys.stderr)
            else:
                done_pixels += outcome.picture.num_pixels
                done_bytes += outcome.picture.target.stat().st_size
                expected = done_bytes * num_pixels / done_pixels
                so_far = f'{in_words(done_bytes)} of about {in_words(expected)}'
                bar.set_postfix_str(so_far, refresh=False)
            bar.update()
            yield outcome


def in_words(num_bytes: float) -> str:
    """A number of bytes in a fitting unit."""
    for unit, factor in (('GB', 1e9), ('MB', 1e6)):
        if num_bytes >= factor:
            return f'{num_bytes / factor:.1f} {unit}'
    return f'{num_bytes / 1e3:.0f} kB'


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    tiled = tile_set(
        args.annotations,
        args.images,
        args.out_dir,
        args.jobs,
        args.quality,
        args.lossless,
        args.resume,
        show,
    )
    print(
        f'{tiled.num_pictures} pictures, {tiled.num_kept} of them from before: '
        f'{in_words(tiled.bytes_before)} have become {in_words(tiled.bytes_after)}; '
        f'annotations: {tiled.annotation_file}'
    )


if __name__ == '__main__':
    run_script(main)
