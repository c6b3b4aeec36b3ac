"""Turn the config of any detector of MMDetection into one that trains on chips.

python tools/sniperize.py mmdet::retinanet/retinanet_r50_fpn_1x_coco.py -o retinanet_sniper.py

CONFIG is a path, or mmdet::folder/name.py. The new config is explicit: it needs no other file and
runs under MMDetection's own tools. Without -o it goes to standard output. What was changed and what
could not be is listed.

Levels, valid ranges and the size of chips are the paper's for COCO unless given, by hand or as the
scales.py of tools/analysis_tools/analyze_scales.py. A level is SHORT,LONG in pixels with -1 for no
bound, or a factor; a range is LOW,HIGH on sqrt(w * h) in pixels of the image, with -1 for open:

--levels 1400,2000 800,1280 -1,512 --valid-ranges -1,80 32,150 120,-1

With data of your own the new config trains on them as it is: classes, their number, the levels that
analyze_scales.py proposes, batch and schedule are set and listed.

--ann train.json --images train --val val.json --val-images val --epochs 12 --load-from start.pth
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from mmsniper.conversion import OwnData, Recipe, Training, convert
from mmsniper.conversion.source import load_source
from mmsniper.errors import InputError
from mmsniper.utils import run_script
from mmsniper.utils.arguments import positive_float, positive_int
from mmsniper.utils.whole_file import write_whole


def main() -> None:
    args = parse_args()
    # Before the work, so that a wrong name is known at once.
    if args.out and args.out.suffix != '.py':
        raise InputError(f'-o {args.out} must end in .py')
    if args.out and args.out.is_dir():
        raise InputError(f'-o {args.out} is a folder; name a file')
    config, changes = convert(
        args.config,
        recipe_of(args),
        args.train_batch_norm,
        data_of(args),
        training_of(args),
        args.focus,
        args.online_negatives,
    )
    text = config.pretty_text
    if args.out is None:
        print(changes, file=sys.stderr)
        print(text)
        return
    write_whole(args.out, text.encode())
    print(changes)
    print(f'written: {args.out}')


def recipe_of(args: argparse.Namespace) -> Recipe | None:
    """The recipe of the command line, or None if there is nothing about it.

    Raises:
        InputError: The settings do not fit together.
    """
    if (args.levels is None) != (args.valid_ranges is None):
        raise InputError('--levels and --valid-ranges belong together: give both or neither')
    if args.recipe and args.levels:
        raise InputError('--recipe has levels already: give it or --levels, not both')
    settings = {}
    if args.recipe:
        recipe = Recipe.from_config(load_source(args.recipe))
        settings = dict(vars(recipe))
    if args.levels:
        settings.update(levels=args.levels, valid_ranges=args.valid_ranges)
    for key in ('chip_size', 'stride', 'tile_size', 'chips_per_image'):
        if getattr(args, key) is not None:
            settings[key] = getattr(args, key)
    return Recipe(**settings) if settings else None


def data_of(args: argparse.Namespace) -> OwnData | None:
    """The data of the command line, or None if there are none.

    Raises:
        InputError: A part of them is missing.
    """
    if args.ann is None:
        for option in ('images', 'val', 'val_images', 'classes'):
            if getattr(args, option) is not None:
                raise InputError(f'--{option.replace("_", "-")} needs --ann, an annotation file')
        return None
    if args.images is None:
        raise InputError('--ann needs --images, the folder of the pictures')
    return OwnData(args.ann, args.images, args.val, args.val_images, args.classes)


def training_of(args: argparse.Namespace) -> Training | None:
    """What the command line says of the training, or None if nothing."""
    wanted = Training(args.batch_size, args.epochs, args.load_from, args.fine_tune)
    return None if wanted == Training() else wanted


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', metavar='CONFIG', help='a path, or mmdet::folder/name.py')
    parser.add_argument('-o', '--out', type=Path, metavar='OUT.py', help='where to write it')
    parser.add_argument(
        '--levels', nargs='+', type=level, metavar='LEVEL', help='pyramid levels, fine to coarse'
    )
    parser.add_argument(
        '--valid-ranges', nargs='+', type=numbers, metavar='RANGE', help='the range of each level'
    )
    parser.add_argument(
        '--recipe', metavar='FILE.py', help='take levels, ranges and sizes from this config'
    )
    parser.add_argument(
        '--chip-size', type=int, metavar='PIXELS', help='largest side of a chip (default: 512)'
    )
    parser.add_argument(
        '--stride', type=int, metavar='PIXELS', help='distance of candidate chips (default: 32)'
    )
    parser.add_argument(
        '--tile-size', type=int, metavar='PIXELS', help='test larger images in tiles of this size'
    )
    parser.add_argument(
        '--chips-per-image',
        type=float,
        metavar='N',
        help='how many chips an image has, for the schedule (default: counted if the annotations '
        'are there)',
    )
    parser.add_argument(
        '--train-batch-norm',
        action='store_true',
        help='train batch normalisation that CONFIG leaves in evaluation mode (norm_eval=True)',
    )
    parser.add_argument(
        '--focus',
        action='store_true',
        help='add a focus head, which says where finer levels have to be looked at (AutoFocus)',
    )
    parser.add_argument(
        '--online-negatives',
        action='store_true',
        help='let the detector look at the training pictures between epochs, and learn from its '
        'confident mistakes on background (negative chips)',
    )
    own = parser.add_argument_group('data of your own, in COCO format')
    own.add_argument('--ann', metavar='ANN.json', help='annotation file of the training')
    own.add_argument('--images', metavar='DIR', help='folder of its pictures')
    own.add_argument('--val', metavar='ANN.json', help='that of validation and test')
    own.add_argument('--val-images', metavar='DIR', help='(default: that of --images)')
    own.add_argument(
        '--classes', nargs='+', metavar='NAME', help='those that are wanted (default: all)'
    )
    training = parser.add_argument_group('training, instead of as many pixels as CONFIG trains')
    training.add_argument('--batch-size', type=positive_int, metavar='N', help='chips of a GPU')
    training.add_argument('--epochs', type=positive_int, metavar='N', help='of chips')
    training.add_argument(
        '--load-from', metavar='FILE', help='begin with the weights of this checkpoint'
    )
    training.add_argument(
        '--fine-tune',
        type=positive_float,
        metavar='RATE',
        help='for few pictures and --load-from: AdamW with this learning rate, such as 0.001 '
        '(small detectors) or 0.0002 (ResNet-50 and larger), a short warm-up and a cosine to the '
        'end',
    )
    argv = sys.argv[1:] if argv is None else argv
    # To argparse "-1,512" looks like an option; with a space in front it does not.
    return parser.parse_args([f' {a}' if re.match(r'-\.?\d', a) else a for a in argv])


def level(text: str) -> tuple[int, ...] | float:
    """A level of the command line."""
    values = numbers(text)
    if len(values) == 1:
        return float(values[0])
    return values


def numbers(text: str) -> tuple[float, ...]:
    """Numbers with commas between them, whole ones as such."""
    try:
        values = [float(part) for part in text.split(',')]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'{text.strip()!r} is no pair of numbers') from error
    return tuple(int(value) if value.is_integer() else value for value in values)


if __name__ == '__main__':
    run_script(main)
