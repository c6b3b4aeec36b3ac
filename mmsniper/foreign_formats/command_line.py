"""What the command lines of all formats have in common."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from mmsniper.utils.json_file import write_json

from .conversion import Conversion, convert
from .source import Item, Source


def make_parser(description: str) -> argparse.ArgumentParser:
    """A parser with the options of all formats, to which a tool adds its own."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--out', type=Path, required=True, metavar='FILE', help='the annotation file to write')
    add('--overwrite', action='store_true', help='write FILE also if it is there already')
    add(
        '--classes',
        nargs='+',
        metavar='NAME',
        help='the classes to take, in this order (default: all)',
    )
    add(
        '--trust-pictures',
        action='store_true',
        help='go on where a picture has another size than its annotation states',
    )
    add('--json', metavar='FILE', help='write the figures, "-": standard output')
    return parser


def run(args: argparse.Namespace, source: Source) -> None:
    """Convert and tell what came out.

    Raises:
        InputError: As of :func:`mmsniper.foreign_formats.convert`.
    """
    conversion = convert(
        source, args.out, args.overwrite, args.classes, args.trust_pictures, _progress
    )
    if args.json != '-':
        print('\n'.join(report(conversion)))
    if args.json:
        write_json(args.json, conversion.as_dict())


def report(conversion: Conversion) -> Iterator[str]:
    """The figures in words, line by line."""
    resumed = f' ({conversion.num_resumed} read before)' if conversion.num_resumed else ''
    yield (
        f'{conversion.file}: {conversion.num_images} pictures{resumed}, '
        f'{conversion.num_empty} of them without an object; '
        f'{sum(conversion.objects.values())} objects; {conversion.num_crowds} crowds to ignore'
    )
    yield f'pictures are relative to {conversion.folder}'
    yield f'{len(conversion.objects)} classes:'
    for name, count in conversion.objects.items():
        yield f'{count:>9} {name}'
    for title, tally in (('left out:', conversion.left_out), ('noted:', conversion.noted)):
        if tally:
            yield title
            yield from tally.lines()


def show_reading(files: Sequence[Path]) -> Iterable[Path]:
    """Show how far the reading of files is."""
    return tqdm(files, desc='reading', unit='file', delay=1)


def _progress(items: Sequence[Item]) -> Iterable[Item]:
    return tqdm(items, desc='converting', unit='picture', delay=1)
