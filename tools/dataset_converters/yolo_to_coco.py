"""Make a COCO annotation file of a part of a data set in the format of YOLO (Ultralytics).

DATA is data.yaml. Boxes stay, around polygons come boxes, pictures without a label file have no
objects, and lines that are there twice count once.

The same command goes on where an interrupted one was.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmsniper.foreign_formats.command_line import make_parser, run
from mmsniper.foreign_formats.yolo import yolo_source
from mmsniper.utils.script import run_script


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument('data', type=Path, metavar='DATA', help='data.yaml')
    parser.add_argument(
        '--split', choices=('train', 'val', 'test'), default='train', help='default: %(default)s'
    )
    parser.add_argument(
        '--root',
        type=Path,
        metavar='DIR',
        help='in place of the path in DATA',
    )
    args = parser.parse_args(argv)
    run(args, yolo_source(args.data, args.split, args.root))


if __name__ == '__main__':
    run_script(main)
