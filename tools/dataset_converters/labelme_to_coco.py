"""Make a COCO annotation file of pictures that were annotated with labelme.

FOLDER holds the JSON files and, unless --images names another one, the pictures; folders below
count as well. Shapes of one label and one group_id are one object. Shapes with a flag of
--ignore-flags that is set become crowds; those with the label __ignore__ become crowds of every
class.

The same command goes on where an interrupted one was.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmsniper.foreign_formats.command_line import make_parser, run, show_reading
from mmsniper.foreign_formats.labelme import IGNORE_FLAGS, labelme_source
from mmsniper.utils.script import run_script


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument('folder', type=Path, metavar='FOLDER', help='the JSON files')
    parser.add_argument('--images', type=Path, metavar='DIR', help='the folder of the pictures')
    parser.add_argument(
        '--ignore-flags',
        nargs='*',
        default=IGNORE_FLAGS,
        metavar='FLAG',
        help=f'default: {" ".join(IGNORE_FLAGS)}',
    )
    args = parser.parse_args(argv)
    run(
        args,
        labelme_source(args.folder, args.images, args.classes, args.ignore_flags, show_reading),
    )


if __name__ == '__main__':
    run_script(main)
