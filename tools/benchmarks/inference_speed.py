"""Measure detection on large pictures: speed, COCO's AP and memory, beside SAHI if it is installed.

Ways: "mmsniper" is PyramidInferencer, with tiles at the picture's own resolution, the levels that
it adds, and the whole picture; "mmsniper_tiles" leaves its added levels out, which gives what SAHI
looks at; "sahi" is SAHI's default, GREEDYNMM by IOS with the whole picture; "sahi_nms" is NMS by
IOU, which SAHI itself takes where scores below 0.1 are wanted. All have the same weights, tiles,
overlap and score threshold; whole pictures are resized to the size of a tile. Merging is each
one's own, at mmsniper that of the config.

Each way has a process of its own, without others that load; they take turns by pictures.
"faster" and "less CPU" are medians over pictures, against "sahi" or, without it, the first way.
AP needs a low --score-thr, speed in use has rather 0.3. Needs Linux.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from mmengine.logging import MMLogger
from tqdm import tqdm

from mmsniper.errors import InputError
from mmsniper.experiments.benchmarks.detecting_ways import (
    WAYS,
    WORDS,
    Settings,
    available_ways,
    load_config,
)
from mmsniper.experiments.benchmarks.inference_speed import load_annotations, measure_ways
from mmsniper.experiments.benchmarks.provenance import provenance
from mmsniper.utils.arguments import positive_int
from mmsniper.utils.checkpoint_address import local_checkpoint
from mmsniper.utils.json_file import write_json
from mmsniper.utils.script import run_script


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('config', metavar='CONFIG', help='path or name, such as mmdet::yolox/...')
    add('checkpoint', metavar='CHECKPOINT', help='a file, or an address')
    add('annotations', type=Path, metavar='ANN', help='COCO annotation file')
    add('images', type=Path, metavar='IMAGES', help='the folder of its images')
    add('--ways', nargs='+', choices=WAYS, help='default: all that can be gone')
    add('--tile-size', type=positive_int, default=640, metavar='PIXELS', help='default: 640')
    add('--tile-overlap', type=float, default=0.2, metavar='SHARE', help='default: %(default)s')
    add('--score-thr', type=float, default=0.01, help='default: %(default)s')
    add(
        '--batch-size',
        type=positive_int,
        default=8,
        metavar='N',
        help='of mmsniper; that of SAHI is 1 with detectors of MMDetection (default: %(default)s)',
    )
    add(
        '--max-images',
        type=positive_int,
        default=10,
        metavar='N',
        help='the first ones with objects (default: %(default)s)',
    )
    add('--threads', type=positive_int, default=1, metavar='N', help='default: %(default)s')
    add('--device', default='cpu', help='default: %(default)s')
    add('--json', metavar='FILE', help='write the figures, "-": standard output')
    return parser.parse_args(argv)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """The figures, see ``--help``.

    Raises:
        InputError: Files or settings cannot be used.
    """
    possible = available_ways()
    ways = [way for way in WAYS if way in (args.ways or possible)]
    if not set(ways) <= set(possible):
        raise InputError('SAHI is not installed: install sahi, or leave its ways out')
    settings = Settings(
        args.tile_size,
        args.tile_overlap,
        args.score_thr,
        args.batch_size,
        args.device,
        args.threads,
    )
    config = load_config(args.config, args.tile_size)
    checkpoint = local_checkpoint(args.checkpoint)
    data, ids = load_annotations(args.annotations, args.images, args.max_images)
    with tqdm(desc='pictures', total=len(ids) * len(ways), unit='image', leave=False) as bar:
        rows = measure_ways(config, checkpoint, data, ids, args.images, ways, settings, bar.update)
    figures: dict[str, Any] = dict(
        config=args.config,
        files=[checkpoint, args.annotations, args.images],
        images=len(ids),
        settings=vars(settings),
        ways=rows,
    )
    # Not before: a GPU that is asked for its name cannot be used by a process that is forked.
    figures.update(provenance(args.threads))
    if len(possible) == len(WAYS):
        figures['versions']['sahi'] = metadata.version('sahi')
    return figures


def format_table(figures: dict[str, Any]) -> str:
    """The figures as text."""
    width = max(map(len, WORDS.values()))
    lines = [
        f'{"":{width}} {"views":>6} {"images/s":>9} {"faster":>7} {"CPU s":>7} {"less CPU":>8} '
        f'{"AP":>6} {"AP50":>6} {"small":>6} {"medium":>6} {"large":>6} {"peak MB":>8} '
        f'{"at start":>8}'
    ]
    for row in figures['ways']:
        parts = ('AP', 'AP_50', 'AP_small', 'AP_medium', 'AP_large')
        precision = ' '.join(f'{row[part]:6.3f}' for part in parts)
        lines.append(
            f'{WORDS[row["way"]]:{width}} {row["views_per_image"]:6.1f} '
            f'{row["images_per_second"]:9.3f} {row["times_faster"]:6.2f}x '
            f'{row["cpu_seconds_per_image"]:7.2f} {row["times_less_cpu"]:7.2f}x {precision} '
            f'{row["peak_mb"]:8.0f} {row["start_mb"]:8.0f}'
        )
    return '\n'.join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    MMLogger.get_current_instance().setLevel('WARNING')
    figures = measure(args)
    print(format_table(figures), file=sys.stderr if args.json == '-' else sys.stdout)
    if args.json:
        write_json(args.json, figures)


if __name__ == '__main__':
    run_script(main)
