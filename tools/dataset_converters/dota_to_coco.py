"""Make a COCO annotation file of a part of DOTA, with the upright boxes around its turned ones.

LABELS is the folder of the label files (labelTxt); without it the pictures alone are listed, to
test on. Objects that are marked as difficult become crowds, which the benchmark's own evaluation
ignores too.

The same command goes on where an interrupted one was.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmsniper.foreign_formats.command_line import make_parser, run
from mmsniper.foreign_formats.dota import CLASSES, dota_source
from mmsniper.utils.script import run_script


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument('labels', type=Path, nargs='?', metavar='LABELS', help='label files')
    parser.add_argument(
        '--images', type=Path, required=True, metavar='DIR', help='the folder of the pictures'
    )
    parser.add_argument(
        '--version',
        choices=CLASSES,
        default='1.0',
        help='of the data, which have 15, 16 and 18 classes (default: %(default)s)',
    )
    parser.add_argument(
        '--keep-difficult', action='store_true', help='take difficult objects as any others'
    )
    args = parser.parse_args(argv)
    run(args, dota_source(args.images, args.labels, args.version, args.keep_difficult))


if __name__ == '__main__':
    run_script(main)
