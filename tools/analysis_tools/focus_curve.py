"""What testing from coarse to fine (AutoFocus) finds and costs, at many thresholds.

python tools/analysis_tools/focus_curve.py CONFIG CHECKPOINT --out-dir DIR

Tests CONFIG once on the whole pyramid of its val_dataloader, whose dataset is a ChipDataset in test
mode, and reckons from what its views found what focus=dict(threshold=...) of ChipMergeHook would
find and cost. DIR gets focus_curve.png and focus_curve.json; the table says which thresholds lose
nothing, half a point, and one point of the figure. Other settings of the focus than the threshold
are those of the config's ChipMergeHook, or --focus.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mmdet.registry import HOOKS
from mmengine.config import Config, DictAction

from mmsniper.analysis.focus_curve import FocusCurve, Point, ViewRecorder
from mmsniper.conversion.components import is_component
from mmsniper.conversion.stage_configs import load_config
from mmsniper.datasets.nesting import find_chip_dataset
from mmsniper.engine import ChipMergeHook
from mmsniper.errors import InputError
from mmsniper.evaluation.merging_evaluator import check_merging
from mmsniper.focus import FocusSettings, read_focus
from mmsniper.utils import run_script
from mmsniper.utils.arguments import python_literal
from mmsniper.utils.checked_runner import CheckedRunner
from mmsniper.utils.checkpoint_address import local_checkpoint
from mmsniper.utils.json_file import write_json
from mmsniper.utils.whole_file import write_whole
from mmsniper.visualization.focus_chart import draw_focus_curve

THRESHOLDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
LOSSES = {'equal (-0.1)': 0.1, '-0.5': 0.5, '-1': 1.0}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    checkpoint = local_checkpoint(args.checkpoint)
    config = load_config(args.config)
    config.merge_from_dict(args.cfg_options or {})
    hook = take_hook(config)
    settings = read_focus(args.focus or hook.pop('focus', None) or True)
    hook.pop('focus', None)
    curve = record(config, checkpoint, hook)
    points = [curve.pyramid(), *curve.levels()]
    points += [curve.focus(settings, threshold) for threshold in sorted(args.thresholds)]
    figure = choose_figure(points[0], args.figure)
    report(points, figure, settings)
    if args.out_dir is not None:
        others = [p for p in points if p.threshold is None]
        picture = draw_focus_curve(
            [(p.threshold, p.mpx, p.seconds, p.metrics[figure]) for p in points if p not in others],
            [(p.name, p.mpx, p.seconds, p.metrics[figure]) for p in others],
            figure,
        )
        write_whole(args.out_dir / 'focus_curve.png', picture)
        content = dict(figure=figure, focus=asdict(settings), points=[asdict(p) for p in points])
        write_json(args.out_dir / 'focus_curve.json', content)
        print(f'wrote {args.out_dir}/focus_curve.png and focus_curve.json')


def take_hook(config: Config) -> dict:
    """Take ``ChipMergeHook`` out of a config; its settings."""
    hooks = list(config.get('custom_hooks') or ())
    own = [hook for hook in hooks if is_component(HOOKS, hook, ChipMergeHook)]
    config.custom_hooks = [hook for hook in hooks if hook not in own]
    return {k: v for k, v in (own[0] if own else {}).items() if k not in ('type', 'priority')}


def record(config: Config, checkpoint: Path, hook: dict) -> FocusCurve:
    """Look at the whole pyramid of the validation images, once."""
    if config.get('val_dataloader') is not None:
        config.test_dataloader, config.test_evaluator = config.val_dataloader, config.val_evaluator
    if find_chip_dataset(config, 'test_dataloader') is None:
        raise InputError(
            'val_dataloader.dataset of the config is no ChipDataset: make one that tests on the '
            'pyramid with tools/sniperize.py'
        )
    config.test_cfg = dict(type='TestLoop')
    # The time of each view by itself.
    config.test_dataloader.batch_size = 1
    config.load_from = str(checkpoint)
    for name in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler'):
        config[name] = None
    for name in ('val_dataloader', 'val_cfg', 'val_evaluator'):
        config[name] = None
    nms = check_merging('ChipMergeHook', hook.get('nms'), hook.get('max_per_image', 100))
    with tempfile.TemporaryDirectory() as folder:
        config.work_dir = folder
        config.visualizer = dict(type='DetLocalVisualizer', vis_backends=[])
        runner = CheckedRunner.from_cfg(config)
        loop = runner.test_loop
        dataset, evaluator = loop.dataloader.dataset, loop.evaluator
        dataset.views_are_merged = True  # below
        recorder = ViewRecorder(dataset, hook.get('border_margin', 1.0))
        loop.evaluator = recorder
        runner.register_hook(recorder, priority='LOWEST')
        runner.test()
    return FocusCurve(
        dataset,
        recorder,
        evaluator,
        nms,
        hook.get('max_per_image', 100),
        hook.get('class_agnostic', False),
    )


def choose_figure(point: Point, name: str | None) -> str:
    """The figure of merit: by its name or the end of it, or the first one."""
    if name is None:
        return next(iter(point.metrics))
    found = [key for key in point.metrics if key == name or key.endswith(f'/{name}')]
    if not found:
        raise InputError(f'there is no figure {name!r}, but {", ".join(point.metrics)}')
    return found[0]


def report(points: Sequence[Point], figure: str, settings: FocusSettings) -> None:
    """Print the table, and which thresholds lose how much."""
    print(f'\n{"":12} {figure:>16}   Mpx/image   pixels   s/image    time')
    whole = points[0]
    for point in points:
        print(
            f'{point.name:12} {point.metrics[figure] * 100:16.1f} {point.mpx:11.3f} '
            f'{point.share:8.1%} {point.seconds:9.3f} {point.seconds / whole.seconds:7.1%}'
        )
    for name, loss in LOSSES.items():
        enough = [
            point
            for point in points
            if point.threshold is not None
            and point.metrics[figure] >= whole.metrics[figure] - loss / 100
        ]
        if enough:
            best = min(enough, key=lambda point: point.mpx)
            print(
                f'{name}: threshold={best.threshold:g}, {best.share:.1%} of the pixels, '
                f'{best.seconds / whole.seconds:.1%} of the time'
            )
        else:
            print(f'{name}: none of these thresholds; try lower ones, or larger min_cells')
    print(
        f'with dilation={settings.dilation}, min_cells={settings.min_cells}; reckoned from the '
        'views of the whole pyramid: tools/test.py with this focus says exactly'
    )


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('config', help='with a ChipDataset in test mode, as tools/sniperize.py makes it')
    add('checkpoint', help='a file, or an address')
    add('--out-dir', type=Path, metavar='DIR', help='where to write the picture and the figures')
    add(
        '--thresholds',
        type=float,
        nargs='+',
        default=THRESHOLDS,
        metavar='PROBABILITY',
        help='those to try (default: %(default)s)',
    )
    add(
        '--focus',
        type=python_literal,
        metavar='SETTINGS',
        help='such as "dict(min_cells=16)" (default: as the config says)',
    )
    add('--figure', metavar='NAME', help='what counts, such as bbox_mAP_s (default: the first)')
    add('--cfg-options', nargs='+', action=DictAction, help='override settings, as key=value')
    return parser.parse_args(argv)


if __name__ == '__main__':
    run_script(main)
