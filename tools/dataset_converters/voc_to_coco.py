"""Make a COCO annotation file of sets of PASCAL VOC, or of other data in its format.

FOLDER is VOCdevkit, and --sets are such as VOC2007/trainval VOC2012/trainval. Without --sets all
pictures of FOLDER are taken that have an XML file, in the folders JPEGImages and Annotations or
side by side; the classes are then those that are found, unless --classes names some. Objects that
are marked as difficult become crowds, which the benchmark's own evaluation ignores too.

The same command goes on where an interrupted one was.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmsniper.foreign_formats.command_line import make_parser, run
from mmsniper.foreign_formats.voc import voc_source
from mmsniper.utils.script import run_script


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument('folder', type=Path, metavar='FOLDER', help='VOCdevkit, or your own')
    parser.add_argument(
        '--sets', nargs='+', default=(), metavar='SET', help='lists below ImageSets/Main'
    )
    parser.add_argument(
        '--keep-difficult', action='store_true', help='take difficult objects as any others'
    )
    args = parser.parse_args(argv)
    run(args, voc_source(args.folder, args.sets, args.classes, args.keep_difficult))


if __name__ == '__main__':
    run_script(main)
