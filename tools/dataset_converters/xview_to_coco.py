"""Make a COCO annotation file of xView.

ANN is xView_train.geojson, the only annotations that were published. --part val takes every tenth
of its pictures, by number, and --part train the others.

The same command goes on where an interrupted one was.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmsniper.foreign_formats.command_line import make_parser, run
from mmsniper.foreign_formats.xview import PARTS, xview_source
from mmsniper.utils.script import run_script


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument('annotations', type=Path, metavar='ANN', help='the GeoJSON file')
    parser.add_argument(
        '--images', type=Path, required=True, metavar='DIR', help='the folder of the pictures'
    )
    parser.add_argument('--part', choices=PARTS, default='all', help='default: %(default)s')
    args = parser.parse_args(argv)
    run(args, xview_source(args.annotations, args.images, args.part))


if __name__ == '__main__':
    run_script(main)
