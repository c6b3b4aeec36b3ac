"""Make a COCO annotation file of a set of VisDrone-DET.

FOLDER is what an archive unpacks to, such as VisDrone2019-DET-train, with the folders images and
annotations. Regions of category 0 ("ignored regions") and vehicles of none of the ten classes
(category 11, "others") become crowds of every class; objects of score 0 become crowds of theirs.

The same command goes on where an interrupted one was.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmsniper.foreign_formats.command_line import make_parser, run
from mmsniper.foreign_formats.visdrone import visdrone_source
from mmsniper.utils.script import run_script


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument('folder', type=Path, metavar='FOLDER', help='the set')
    parser.add_argument(
        '--merge-people',
        action='store_true',
        help='make pedestrian and people one class, person, which leaves nine',
    )
    parser.add_argument(
        '--pictures-alone',
        action='store_true',
        help='list the pictures of a set without annotations, to test on',
    )
    args = parser.parse_args(argv)
    run(args, visdrone_source(args.folder, args.merge_people, not args.pictures_alone))


if __name__ == '__main__':
    run_script(main)
