"""Detect on pictures, folders, videos and images of any size, and write what is found to a folder.

python tools/infer.py CONFIG CHECKPOINT INPUT... --out-dir DIR

INPUT is a picture, a folder (with all below it), a video or a pattern in quotes. A config that was
trained on chips brings its levels; with any other each picture is seen as a whole and, where it is
larger than that, in tiles at its own resolution. A run that was stopped goes on with --resume. In
several processes, with the same result:

torchrun --standalone --nproc_per_node 8 tools/infer.py CONFIG CHECKPOINT INPUT... --out-dir DIR
--launcher pytorch
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from mmengine.dist import get_dist_info
from mmengine.logging import MMLogger
from tqdm import tqdm

from mmsniper.errors import InputError
from mmsniper.focus import focus_of
from mmsniper.inference import Pictures, Sources, class_labels, load_detector, merging_of
from mmsniper.inference.formats import FORMATS, CocoResults, ImageFormat, OutputFormat
from mmsniper.inference.run import Outputs, Summary, run
from mmsniper.utils import run_script
from mmsniper.utils.arguments import non_negative_int, positive_int, python_literal
from mmsniper.utils.checkpoint_address import local_checkpoint
from mmsniper.utils.cpu import join_gloo_group
from mmsniper.utils.saved_checkpoints import content_hash

STOPPED = 130  # as shells say of a program that was interrupted


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    if args.launcher != 'none':
        join_gloo_group(args.launcher)
    rank, world_size = get_dist_info()
    MMLogger.get_instance('mmsniper', logger_name='mmsniper')
    sources = Sources(args.inputs)
    checkpoint = local_checkpoint(args.checkpoint)
    detector = load_detector(
        args.config,
        checkpoint,
        args.device or own_device(),
        levels=args.levels,
        valid_ranges=args.valid_ranges,
        tile_size=args.tile_size,
        tile_overlap=args.tile_overlap,
        focus=focus_of(args.focus, args.focus_threshold),
    )
    labels = class_labels(args.classes, detector.classes)
    merging = merging_of(detector.views.merging, args.merge, args.score_thr, labels)
    pictures = None
    if args.pictures:
        pictures = Pictures(args.out_dir, detector.classes, args.pictures)
    formats = [
        make_format(name, args, detector.classes, sources) for name in dict.fromkeys(args.format)
    ]
    settings = dict(
        config=str(args.config),
        checkpoint=content_hash(checkpoint),
        inputs=sources.paths,
        views=repr(detector.views.plan),
        merging=repr(merging),
        batch_size=args.batch_size,
        formats=sorted(set(args.format)),
        pictures=args.pictures,
    )

    def progress(results: Iterator) -> Iterator:
        count = sources.count
        total = None if count is None else -(-count // world_size)
        return tqdm(results, 'images', total, unit='image', disable=rank != 0)

    try:
        summary = run(
            detector,
            merging,
            sources,
            Outputs(args.out_dir, formats, pictures),
            settings,
            batch_size=args.batch_size,
            num_workers=args.workers,
            resume=args.resume,
            rank=rank,
            world_size=world_size,
            progress=progress,
        )
    except KeyboardInterrupt:
        if rank == 0:
            sys.stderr.write(f'stopped: what is done is in {args.out_dir}, --resume goes on\n')
            sys.stderr.flush()
        # Neither workers nor the process group are waited for.
        os._exit(STOPPED)
    if rank == 0:
        report(summary, args.out_dir)
        if summary.faults:
            more = f' (and {len(summary.faults) - 1} more)' if len(summary.faults) > 1 else ''
            raise InputError(
                f'{len(summary.faults)} of the inputs could not be looked at or are damaged: '
                f'{summary.faults[0]}{more}'
            )


def report(summary: Summary, folder: Path) -> None:
    """Say what came of a run."""
    counts = summary.counts
    print(f'{summary.detections} detections in {summary.images} images: {folder}')
    if counts['views']:
        whole, detecting = summary.seconds
        print(
            f'{counts["images"]} images, {counts["views"]} views ({counts["empty"]} tiles without '
            f'anything on them) in {whole:.1f} s, {detecting:.1f} s of it in the detector; left '
            f'out: {counts["range"]} out of their range, {counts["border"]} cut by tiles, '
            f'{counts["merging"]} seen twice, {counts["not_finite"]} not finite'
        )
    if summary.looked_at:
        print(summary.looked_at)


def make_format(
    name: str, args: argparse.Namespace, classes: Sequence[str], sources: Sources
) -> OutputFormat:
    """A format by its name."""
    kind = FORMATS[name]
    if issubclass(kind, CocoResults):
        return kind(args.out_dir, classes, args.ids_of)
    if issubclass(kind, ImageFormat):
        return kind(args.out_dir, classes, sources.sharing_stems)
    return kind(args.out_dir, classes)


def own_device() -> str | None:
    """The GPU of this process among several on a machine; None to leave the choice."""
    if torch.cuda.is_available() and 'LOCAL_RANK' in os.environ:
        return f'cuda:{int(os.environ["LOCAL_RANK"])}'
    return None


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('config', metavar='CONFIG', help='a path, mmsniper::folder/name.py or mmdet::...')
    add('checkpoint', metavar='CHECKPOINT', help='a file, or an address')
    add('inputs', nargs='+', metavar='INPUT', help='pictures, folders, videos, patterns in quotes')
    add('--out-dir', type=Path, required=True, metavar='DIR', help='folder to make')
    add(
        '--format',
        nargs='+',
        choices=list(FORMATS),
        default=['coco'],
        help='what to write (default: coco)',
    )
    add(
        '--ids-of',
        type=Path,
        metavar='ANN.json',
        help="with coco formats: ids of this COCO annotation file's images and categories",
    )
    add(
        '--pictures',
        nargs='?',
        const='class',
        choices=['class', 'levels'],
        help='draw what is found, coloured by class or by the level that found it',
    )
    add('--score-thr', type=float, default=0.3, help='the lowest score (default: %(default)s)')
    add('--classes', nargs='+', metavar='NAME', help='those that are wanted (default: all)')
    add('--levels', nargs='+', type=python_literal, metavar='LEVEL', help='fine to coarse')
    add(
        '--valid-ranges',
        nargs='+',
        type=python_literal,
        metavar='RANGE',
        help='of each level, such as "(-1,90)" (default with --levels: open)',
    )
    add('--tile-size', type=int, metavar='PIXELS', help='largest side of a view; -1: no tiles')
    add('--tile-overlap', type=float, metavar='SHARE', help='of a tile with the next one')
    add(
        '--focus',
        action=argparse.BooleanOptionalAction,
        default=None,
        help='look at finer levels only where coarser ones say that small objects may be '
        '(default: as the config says)',
    )
    add(
        '--focus-threshold',
        type=float,
        metavar='PROBABILITY',
        help='of a place that is looked at more closely, 0 for all (implies --focus)',
    )
    add('--merge', choices=['nms', 'soft_nms', 'nmm', 'wbf'], help='how views become one result')
    add('--batch-size', type=positive_int, default=8, help='views at once (default: 8)')
    add('--workers', type=non_negative_int, default=2, help='that load views (default: 2)')
    add('--device', help='such as cuda:1 or cpu (default: a GPU if there is one)')
    add('--resume', action='store_true', help='go on with a run that was stopped')
    add('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    add('--local_rank', '--local-rank', type=non_negative_int, default=0, help=argparse.SUPPRESS)
    argv = sys.argv[1:] if argv is None else argv
    # To argparse "-1,90" looks like an option; with a space in front it does not.
    args = parser.parse_args([f' {a}' if re.match(r'-\.?\d', a) else a for a in argv])
    if args.launcher != 'none':
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    args.pictures = 'level' if args.pictures == 'levels' else args.pictures
    return args


if __name__ == '__main__':
    run_script(main)
