"""Propose pyramid levels, valid ranges and a chip size for a data set, and say what they cost.

Reads COCO annotation files (several count as one data set; no images are needed) and prints what
fits their objects and a budget. With --out-dir it writes DIR/scales.png, histograms of the object
sizes in the image and at each level, and DIR/scales.py, a config with the settings that can be
inherited or pasted. With --levels and --valid-ranges it judges given settings instead.

Sizes are sqrt(w * h) in pixels of the original image. Costs are means over images in megapixels
that a detector looks at, without padding: in training those of the positive chips, in testing those
of the whole image at all levels, where what tiles share counts for each of them.

A budget, X, is a multiple of the single scale, such as 1.3 or 1.3x, or an area, such as 2.5Mpx.
Where objects would be seen below 16 px, or levels are left out for the budget's sake, the report
has a table of finer levels with what they cost and the options that give them.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mmsniper.analysis.budget import Budget, pixel_limit
from mmsniper.analysis.coco_boxes import Annotations, pool_annotations, sample_images
from mmsniper.analysis.config_snippet import DEFAULT_BASE, base_expression, config_snippet
from mmsniper.analysis.cost import megapixels
from mmsniper.analysis.finer_levels import finer_settings
from mmsniper.analysis.scale_notes import notes, plural
from mmsniper.analysis.scale_proposal import BUDGET, CHIP_SIZES, MAX_IMAGES, SINGLE_SCALE, propose
from mmsniper.analysis.scale_report import format_report, scale_figures
from mmsniper.analysis.scale_statistics import measure_cost
from mmsniper.chips import Pyramid
from mmsniper.errors import InputError
from mmsniper.utils.arguments import non_negative_int, positive_int, python_literal
from mmsniper.utils.json_file import write_json
from mmsniper.utils.script import run_script
from mmsniper.utils.whole_file import write_whole
from mmsniper.visualization.scale_charts import draw_scales


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('annotations', nargs='+', metavar='ANN', help='COCO annotation files')
    parser.add_argument('--out-dir', metavar='DIR', help='where to write scales.png and scales.py')
    parser.add_argument('--json', metavar='FILE', help='write the figures, "-": standard output')
    parser.add_argument(
        '--budget',
        type=pixel_limit,
        default=f'{BUDGET}x',
        metavar='X',
        help='what the chips of an image may cost in training (default: %(default)s)',
    )
    parser.add_argument(
        '--test-budget',
        type=pixel_limit,
        metavar='X',
        help='what all levels of an image may cost in testing (default: no limit)',
    )
    parser.add_argument(
        '--single-scale',
        type=positive_int,
        nargs=2,
        default=SINGLE_SCALE,
        metavar=('SHORT', 'LONG'),
        help=f'the single scale to compare with (default: {SINGLE_SCALE[0]} {SINGLE_SCALE[1]})',
    )
    parser.add_argument(
        '--levels',
        type=python_literal,
        metavar='LIST',
        help='judge these levels, such as "[(1400, 2000), (800, 1280), (-1, 512)]"',
    )
    parser.add_argument(
        '--valid-ranges',
        type=python_literal,
        metavar='LIST',
        help='their valid ranges, such as "[(-1, 80), (32, 150), (120, -1)]"',
    )
    parser.add_argument(
        '--chip-size',
        type=positive_int,
        metavar='PIXELS',
        help=f'use this chip size (default: one of {", ".join(map(str, CHIP_SIZES))}; 512 with '
        '--levels)',
    )
    parser.add_argument(
        '--base',
        default=DEFAULT_BASE,
        metavar='CONFIG',
        help='config that DIR/scales.py inherits from: a file, or a name below the configs of '
        'mmsniper (default: %(default)s)',
    )
    parser.add_argument(
        '--max-images',
        type=positive_int,
        default=MAX_IMAGES,
        metavar='N',
        help='measure chips and costs on at most so many images, drawn at random '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--seed', type=non_negative_int, default=0, help='of chips and images (default: 0)'
    )
    return parser.parse_args(argv)


def given_pyramid(args: argparse.Namespace) -> Pyramid | None:
    """The settings to judge, or None if there are none.

    Raises:
        InputError: They are malformed.
    """
    if (args.levels is None) != (args.valid_ranges is None):
        raise InputError('--levels and --valid-ranges belong together: give both or neither.')
    if args.levels is None:
        return None
    pyramid = Pyramid(args.levels, args.valid_ranges)
    pyramid.check_ranges('--valid-ranges', allow_holes=True)  # the report tells of holes
    return pyramid


def given_budget(args: argparse.Namespace, sample: Annotations, single_scale: Pyramid) -> Budget:
    """The budget, relative to the single scale on a sample of the data."""
    factors = single_scale.scale_factors(sample.heights, sample.widths)
    mpx = megapixels(sample.heights, sample.widths, factors) / len(sample.heights)
    testing = args.test_budget.relative(mpx) if args.test_budget else math.inf
    return Budget(args.budget.relative(mpx), testing)


def analyze(args: argparse.Namespace) -> tuple[dict[str, Any], Pyramid]:
    """Propose or judge the settings.

    Returns:
        tuple: The figures with sentences under ``'notes'``, and the pyramid.
    """
    pyramid = given_pyramid(args)
    short, long = sorted(args.single_scale)
    single_scale = Pyramid([(short, long)], [(-1, -1)])
    data = pool_annotations(args.annotations)
    sample = sample_images(data.annotations, args.max_images, args.seed)
    budget = given_budget(args, sample, single_scale)
    if pyramid is not None:
        proposal, chip_size = None, args.chip_size or 512
        cost = measure_cost(sample, pyramid, chip_size, single_scale, seed=args.seed)
    else:
        chip_sizes = [args.chip_size] if args.chip_size else CHIP_SIZES
        with tqdm(desc='measuring candidates', unit='', leave=False, delay=1) as bar:
            proposal = propose(
                data.annotations,
                budget.training,
                single_scale,
                chip_sizes,
                sample=sample,
                seed=args.seed,
                on_measured=bar.update,
                test_budget=budget.testing,
            )
        pyramid, chip_size, cost = proposal.pyramid, proposal.chip_size, proposal.cost
    finer = finer_settings(
        data.annotations, pyramid, chip_size, single_scale, proposal, sample, args.seed
    )
    figures = scale_figures(
        data, pyramid, chip_size, cost, budget, len(sample.heights), finer=finer
    )
    figures['notes'] = notes(figures, proposal)
    figures['files'] = args.annotations
    return figures, pyramid


def write_files(folder: Path, base: str, figures: dict[str, Any], pyramid: Pyramid) -> None:
    """Write the charts and the config.

    Args:
        folder (Path): Where to.
        base (str): Python code for the config's ``_base_``.
        figures (dict): As of ``analyze``.
        pyramid (Pyramid): Levels and valid ranges.
    """
    names = ', '.join(Path(file).name for file in figures['files'][:3])
    names += ', ...' * (len(figures['files']) > 3)
    images, objects = plural(figures['images'], 'image'), plural(figures['objects'], 'object')
    facts = f'{images} with {objects} ({names})'
    cost = (
        f'{figures["chips_per_image"]:.2f} chips and {figures["mpx_per_image"]:.3f} Mpx per image, '
        f'{figures["relative_cost"]:.2f} times the single scale, in training;\n'
        f'{figures["mpx_testing"]:.3f} Mpx, {figures["relative_test_cost"]:.2f} times, in testing'
    )
    picture = draw_scales(
        figures['histograms'],
        pyramid,
        figures['chip_size'],
        figures['chips_per_level'],
        {
            'single scale': figures['mpx_single_scale'],
            'testing': figures['mpx_testing'],
            f'training,\nchips of {figures["chip_size"]}': figures['mpx_per_image'],
        },
        f'{facts}\n{cost}',
    )
    comment = f'Levels, valid ranges and chip size for {facts}:\n{cost}.'
    text = config_snippet(
        'scales.py', comment, base, pyramid, figures['chip_size'], figures['tile_size']
    )
    write_whole(folder / 'scales.png', picture)
    write_whole(folder / 'scales.py', text.encode())


def main() -> None:
    args = parse_args()
    output = sys.stderr if args.json == '-' else sys.stdout
    # Before the work, so that a wrong name is known at once.
    if args.out_dir and Path(args.out_dir).exists() and not Path(args.out_dir).is_dir():
        raise InputError(f'--out-dir {args.out_dir} is a file; name a folder.')
    base = base_expression(args.base, args.out_dir) if args.out_dir else ''
    figures, pyramid = analyze(args)
    print(format_report(figures, figures['notes']), file=output)
    if args.out_dir:
        folder = Path(args.out_dir)
        write_files(folder, base, figures, pyramid)
        print(f'\nwritten: {folder / "scales.png"}, {folder / "scales.py"}', file=output)
    if args.json:
        write_json(args.json, figures)


if __name__ == '__main__':
    run_script(main)
