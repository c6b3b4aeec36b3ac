"""Try every detector of the installed MMDetection on chips, and say what works.

Every config of a single-image detector that MMDetection ships is sniperized and its dataset built,
on a few drawn images; no data set and no GPU is needed. One config of every family, of every
backbone and of every type of dataset is made smaller, trained for some steps, tested on a pyramid,
and checked for how it ignores objects out of range. Ends with status 1 if any fails.

The results are kept in a file (--journal) as they come; called again, it goes on where it was.
Delete the file to begin anew, as after a change of the code.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tqdm import tqdm

from mmsniper.experiments.zoo.matrix import choose_trials, run_matrix
from mmsniper.experiments.zoo.report import failures, figures, outcome, page, summary
from mmsniper.experiments.zoo.scope import config_names, read_zoo
from mmsniper.experiments.zoo.trial import Result
from mmsniper.utils.arguments import positive_int
from mmsniper.utils.json_file import write_json
from mmsniper.utils.script import run_script
from mmsniper.utils.whole_file import write_whole

PACKAGES = (
    *('mmdet', 'onedl-mmdetection', 'mmcv', 'onedl-mmcv', 'torch'),
    *('albumentations', 'instaboostfast', 'lvis', 'scikit-image', 'scikit-learn', 'mmpretrain'),
)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--only', nargs='+', default=[], metavar='FAMILY', help='try these folders of configs'
    )
    parser.add_argument(
        '--every-detector',
        action='store_true',
        help='train one config of every combination of detector and heads in each family',
    )
    parser.add_argument(
        '--jobs', type=positive_int, default=1, metavar='N', help='processes (default: 1)'
    )
    parser.add_argument('--out', type=Path, metavar='FILE', help='write the tables, as Markdown')
    parser.add_argument('--json', metavar='FILE', help='write the figures, "-": standard output')
    parser.add_argument(
        '--journal',
        type=Path,
        metavar='FILE',
        help='keep results here, and take those of an interrupted run from it',
    )
    return parser.parse_args(argv)


def installed() -> Iterator[str]:
    """Names and versions of what was tried, and of the packages that only some configs need."""
    for name in PACKAGES:
        try:
            yield f'{name} {version(name)}'
        except PackageNotFoundError:
            pass


def main() -> None:
    args = parse_args()
    start = time.perf_counter()
    total = len(config_names(args.only))
    configs = list(tqdm(read_zoo(args.only), 'reading configs', total, unit=''))
    trained = choose_trials(configs, args.every_detector)
    number = sum(config.in_scope and not config.needs for config in configs)
    bar = tqdm(desc='trying configs', total=number, unit='', smoothing=0.02)
    with bar, tempfile.TemporaryDirectory(prefix='zoo-') as folder:

        def tell(result: Result) -> None:
            bar.update()
            if not result.ok:
                bar.write(f'{result.config.name}: {outcome(result)}', file=sys.stderr)

        journal = args.journal or Path(folder) / 'journal'
        results = run_matrix(configs, trained, Path(folder), journal, args.jobs, tell)
    found = figures(configs, results)
    found['seconds'] = time.perf_counter() - start
    if args.out:
        write_whole(args.out, page(configs, results, ', '.join(installed())).encode())
    if args.json:
        write_json(args.json, found)
    if args.json != '-':
        print(summary(found))
    if failures(results):
        raise SystemExit(1)


if __name__ == '__main__':
    run_script(main)
