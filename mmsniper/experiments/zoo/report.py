"""The matrix as figures and as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from .scope import ZooConfig
from .small_run import NUM_ITERATIONS
from .trial import STEPS, Result

_DONE = {
    'sniperized': 'sniperizes',
    'built': 'its dataset builds',
    'trained': 'trains',
    'tested': 'tests',
    'ignored': 'passes the ignore check',
}
_IGNORING = {'ignore': 'left out of the loss', 'erase': 'erased from the image', '': '-'}


def figures(configs: Sequence[ZooConfig], results: Sequence[Result]) -> dict[str, Any]:
    """What the trials found, as numbers and as lists.

    Args:
        configs: All configs looked at.
        results: Of those in scope whose packages are there.
    """
    in_scope = [config for config in configs if config.in_scope]
    return dict(
        num_configs=len(configs),
        num_in_scope=len(in_scope),
        num_missing_package=sum(bool(config.needs) for config in in_scope),
        num_families=len({config.family for config in in_scope}),
        num_tried=sum(result.train for result in results),
        configs_passed={step: sum(step in result.passed for result in results) for step in STEPS},
        families_passed={step: len(_families(results, step)) for step in STEPS},
        failed=[result.config.name for result in failures(results)],
        results=[asdict(result) for result in results],
        out_of_scope={config.name: config.out for config in configs if config.out},
        missing_package={config.name: config.needs for config in in_scope if config.needs},
    )


def failures(results: Iterable[Result]) -> list[Result]:
    """Those that failed for another reason than this machine or MMDetection itself."""
    return [result for result in results if not result.ok and not result.excuse]


def _families(results: Iterable[Result], step: str) -> set[str]:
    return {result.config.family for result in results if step in result.passed}


def summary(found: dict[str, Any]) -> str:
    """Some sentences on the figures."""
    configs, families = found['configs_passed'], found['families_passed']
    tried = found['num_in_scope'] - found['num_missing_package']
    lines = [
        f'{found["num_in_scope"]} of {found["num_configs"]} configs are in scope, '
        f'in {found["num_families"]} families.',
        f'Of the {tried} whose packages are installed, {configs["sniperized"]} sniperize, and of '
        f'{configs["built"]} the dataset builds.',
        f'{found["num_tried"]} were chosen for a training in small: {configs["trained"]} train, '
        f'{configs["tested"]} test, {configs["ignored"]} pass the ignore check.',
        f'Of the families, {families["trained"]} train, {families["tested"]} test and '
        f'{families["ignored"]} pass the ignore check with at least one config.',
    ]
    lines.append(f'Failed: {", ".join(found["failed"]) or "none"}.')
    return '\n'.join(lines)


def page(configs: Sequence[ZooConfig], results: Sequence[Result], versions: str) -> str:
    """The page with all tables, in Markdown.

    Args:
        configs: All configs of the zoo.
        results: Of those in scope whose packages are there.
        versions: Of the packages, for the heading.
    """
    found = figures(configs, results)
    by_name = {result.config.name: result for result in results}
    parts = [
        '# Every detector of the zoo on chips',
        f'Written by `tools/analysis_tools/zoo_matrix.py --out docs/zoo.md` with {versions}. '
        'Every row is the outcome of that run; nothing here is written by hand.',
        summary(found),
        _EXPLANATION,
        '## Trained and tested',
        _table(
            ['Family', 'Config', 'Kind', 'Objects out of range', 'Chips', 'Losses', 'Result'],
            (_trial_row(result) for result in results if result.train),
        ),
        '## All configs in scope',
        _table(
            ['Config', 'Kind', 'Objects out of range', 'Result'],
            (
                _config_row(config, by_name.get(config.name))
                for config in configs
                if config.in_scope
            ),
        ),
        '## Why objects are ignored the way they are',
        _reasons(results),
        '## Out of scope',
        _out_of_scope(configs),
    ]
    return '\n\n'.join(parts) + '\n'


_EXPLANATION = f"""\
- **Sniperizes**: `mmsniper.apis.sniperize` makes a config of it that trains on chips.
- **Dataset builds**: the `ChipDataset` of that config gives its first chip, of drawn images in the
  format of its dataset.
- **Trains**: {NUM_ITERATIONS} steps of the config's own training loop with finite losses and
  weights, on a CPU. The model is made smaller before (`mmsniper.experiments.zoo.shrink`):
  fewer layers, proposals and queries, no pretrained weights.
- **Tests**: each image at both levels, merged by `ChipMergeHook`, judged by the config's own
  metric, or by another instead of three: that of Cityscapes needs the pictures of its data set,
  the package of LVIS's fails with NumPy 1.24 and later, and that of OpenImages asks MMDetection's
  dataset of its challenge for a key that it does not have.
- **Ignore check**: another class for an object out of range leaves the loss as it is, for one in
  range it does not. Where the object is left out of the loss, the classification outputs of priors,
  cells and queries on it get no gradient; where it is erased, none of its pixels reach the
  detector.

A family is a folder of configs. Of each at least one config is trained, and of every backbone and
type of dataset one in some family. An object out of range is *left out of the loss* by the
assigners where these decide about each prior, else by a head that became `IgnoreAwareHead`; it is
*erased from the image* (`ScaleNormalize(mode='erase')`) where neither is known to work."""


def _trial_row(result: Result) -> list[str]:
    losses = ', '.join(f'{loss:.3g}' for loss in result.losses)
    return [
        result.config.family,
        result.config.name.split('/', 1)[1],
        result.config.kind,
        _IGNORING[result.ignoring],
        str(result.num_chips),
        losses or '-',
        outcome(result),
    ]


def _config_row(config: ZooConfig, result: Result | None) -> list[str]:
    if result is None:
        state = f'not tried: needs the package {config.needs}' if config.needs else 'not tried'
        return [config.name, config.kind or '-', '-', state]
    return [config.name, config.kind, _IGNORING[result.ignoring], outcome(result)]


def outcome(result: Result) -> str:
    """What became of a config, in some words."""
    if result.ok:
        return 'passes all' if result.train else 'sniperizes, dataset builds'
    done = ', '.join(_DONE[step] for step in result.passed)
    return f'{done or "nothing"}; then {result.excuse or f"**failed**: {result.failure}"}'


def _reasons(results: Sequence[Result]) -> str:
    counts = Counter((result.ignoring, result.reason) for result in results if result.reason)
    rows = [
        [_IGNORING[mode], reason, str(count)]
        for (mode, reason), count in sorted(counts.items(), key=lambda item: (item[0][0], -item[1]))
    ]
    return _table(['Objects out of range', 'Reason', 'Configs'], rows)


def _out_of_scope(configs: Sequence[ZooConfig]) -> str:
    lines = []
    out = sorted((config for config in configs if config.out), key=lambda config: config.out)
    for reason, group in groupby(out, key=lambda config: config.out):
        names = [config.name for config in group]
        lines.append(f'**{reason[0].upper()}{reason[1:]}** ({len(names)}):\n')
        lines += [f'- `{name}`' for name in names]
        lines.append('')
    return '\n'.join(lines).strip()


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join(
        '| ' + ' | '.join(cell.replace('|', '\\|') for cell in line) + ' |' for line in lines
    )
