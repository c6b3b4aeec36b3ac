"""Train and test the recipes of a suite at equal cost, and compare them.

python tools/benchmarks/compare.py scales --jobs 2

Every recipe is trained with every seed and tested in the same ways, for the same number of pixels
or, with --wall-time, as many steps as it does in the same time. Each such run is done in
processes of its own. What is finished is kept: called again with --resume after an interruption, it
goes on where it was. Several machines may share the --out-dir of a common file system, each called
with --resume: a run is done by one of them. Tables (results.md, summary.csv, values.csv,
results.json) and plots are written from all finished runs.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shlex
import signal
import sys
import time
from pathlib import Path

from mmsniper.errors import InputError
from mmsniper.experiments.benchmarks.comparison import open_folder, prepare_data, run_all
from mmsniper.experiments.benchmarks.run import Run
from mmsniper.experiments.benchmarks.suite import Suite, read_suite, with_weights
from mmsniper.experiments.benchmarks.wall_time import equal_time
from mmsniper.utils import run_script
from mmsniper.utils.arguments import positive_float, positive_int

HERE = Path(__file__).resolve().parent
TOOLS = HERE.parent
WORK = Path('work_dirs/benchmarks')


def main() -> None:
    args = parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that trainings are ended too
    path = Path(args.suite) if args.suite.endswith('.py') else HERE / f'suites/{args.suite}.py'
    suite = read_suite(path, args.size, HERE / 'data_sets', args.data, args.budget)
    if args.wall_time:
        suite = dataclasses.replace(suite, wall_time=args.wall_time)
    chosen = args.only or list(suite.recipes)
    if unknown := sorted(set(chosen) - set(suite.recipes)):
        raise InputError(
            f'--only {unknown[0]} is no recipe of {suite.name}: choose {", ".join(suite.recipes)}'
        )
    suite = with_weights(suite, chosen, args.weights)
    name = f'{suite.name}_{suite.data.name}_{args.size}'
    out_dir = (args.out_dir or WORK / name).resolve()
    open_folder(out_dir, suite, args.resume)
    root = data_root(suite, args)
    prepare_data(suite, root, TOOLS, args.sources)
    # Seed by seed, so that an early end leaves whole sets of recipes.
    runs = [
        Run(suite, recipe, seed, out_dir / 'runs' / recipe / f'seed_{seed}', root, TOOLS)
        for seed in range(args.seeds or suite.seeds)
        for recipe in chosen
    ]
    if suite.wall_time:
        suites = {run.recipe: equal_time(run) for run in runs[: len(chosen)]}
        for run in runs:
            run.suite = suites[run.recipe]
    elsewhere, failures = run_all(runs, args.jobs, tell)
    report(suite, out_dir)
    if elsewhere:
        tell(f'other processes still do {len(elsewhere)} runs: call again with --resume then')
    if failures:
        raise InputError(f'{len(failures)} of {len(runs)} runs failed; the first: {failures[0]}')


def data_root(suite: Suite, args: argparse.Namespace) -> Path:
    """Where the data set is or is to be drawn."""
    if args.data_root:
        return args.data_root.resolve()
    drawn = WORK / 'data' / f'{suite.data.name}_{suite.size}'
    named = str(suite.data.root).format(sources=args.sources)
    return (drawn if suite.data.script else Path(named)).resolve()


def report(suite: Suite, out_dir: Path) -> None:
    """Write tables and plots of all finished runs."""
    # Only here, since matplotlib takes its time.
    from mmsniper.experiments.benchmarks.plots import write_plots
    from mmsniper.experiments.benchmarks.summary import collect
    from mmsniper.experiments.benchmarks.tables import write_tables

    results = collect(suite, out_dir)
    if not results:
        tell('no run is finished: no tables')
        return
    script = Path(__file__).resolve().relative_to(TOOLS.parent).as_posix()
    command = ' '.join(['python', script, *map(shlex.quote, sys.argv[1:])])
    text = write_tables(suite, results, out_dir, command)
    write_plots(suite, results, out_dir)
    print(text)
    tell(f'wrote tables and plots to {out_dir}')


def tell(line: str) -> None:
    # One string: what threads print in parts gets mixed up.
    print(f'{time.strftime("%H:%M:%S")} {line}\n', end='', flush=True)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = sorted(path.stem for path in (HERE / 'suites').glob('*.py'))
    parser.add_argument('suite', help=f'{", ".join(names)}, or the path of another suite, *.py')
    parser.add_argument('--size', default='tiny', help='tiny (default): two CPU cores; full: a GPU')
    parser.add_argument('--seeds', type=positive_int, help="how many (default: the suite's)")
    parser.add_argument('--data', help="of data_sets/, or a *.py (default: the suite's)")
    parser.add_argument('--data-root', type=Path, metavar='DIR', help='folder of the data set')
    parser.add_argument(
        '--sources',
        type=Path,
        metavar='DIR',
        default=Path(os.getenv('MMSNIPER_DATA', 'data')),
        help='where bccd, coco_sample and licence_plates are (default: $MMSNIPER_DATA or data)',
    )
    parser.add_argument(
        '--weights',
        type=Path,
        metavar='DIR',
        default=Path(os.getenv('MMSNIPER_DATA', 'data')).parent / 'weights',
        help='where weights to begin with are, if any (default: weights, beside the above)',
    )
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument(
        '--budget',
        type=positive_float,
        metavar='MPX',
        help="10**6 trained pixels (default: the suite's)",
    )
    extent.add_argument(
        '--wall-time',
        type=positive_float,
        metavar='SECONDS',
        help='train all recipes equally long instead, by their speed on this machine',
    )
    parser.add_argument(
        '--out-dir', type=Path, metavar='DIR', help=f'default: {WORK}/SUITE_DATA_SIZE'
    )
    parser.add_argument(
        '--resume', action='store_true', help='go on with what --out-dir holds, or share it'
    )
    parser.add_argument('--jobs', type=positive_int, default=1, help='runs at once (default: 1)')
    parser.add_argument('--only', nargs='+', metavar='RECIPE', help='leave out the other recipes')
    return parser.parse_args()


if __name__ == '__main__':
    run_script(main)
