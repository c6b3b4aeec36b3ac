"""The page of a comparison: its tables for people, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .figures import columns, in_words, word
from .run_config import learning_rate
from .suite import Suite
from .summary import COSTS, TEST_COSTS


def markdown(
    suite: Suite,
    results: Sequence[dict[str, Any]],
    summary: Sequence[dict[str, Any]],
    command: str,
) -> str:
    """The tables for people, with what they come from."""
    budget = suite.budget
    # In equal time recipes do different numbers of steps.
    steps = '' if suite.wall_time else f'{budget.steps} '
    extent = f'{suite.extent} in {steps}steps of'
    per_image = '' if suite.false_positives is None else ', false positives as they are'
    lines = [
        f'# {suite.title}',
        '',
        suite.question,
        '',
        f'{suite.data.title}, size {suite.size}; {extent} '
        f'{budget.step_mpx:g} Mpx. In percent{per_image}; mean ± sample standard deviation of n '
        'seeds.',
    ]
    if len(suite.tests) > 1:
        lines += ['', '## Test pixels', '', *_by_test_pixels(suite, summary)]
        lines += ['', '<details><summary>All figures of each way of testing</summary>']
    for test, way in suite.tests.items():
        entries = [entry for entry in summary if entry['test'] == test]
        if not entries:
            continue
        mpx = sorted({f'{entry["test_mpx"]:.3f}' for entry in entries})
        lines += ['', f'## Tested: {way.title} ({" to ".join(mpx)} Mpx per image)', '']
        lines += _table(
            ['recipe', 'n', *map(word, columns(suite))],
            [
                [
                    suite.recipes[entry['recipe']].title,
                    len(entry['seeds']),
                    *map(in_words, entry['figures'].values()),
                ]
                for entry in entries
            ],
        )
    if len(suite.tests) > 1:
        lines += ['', '</details>']
    if suite.whole_test is not None:
        lines += ['', '## What testing costs', '']
        lines += _testing_table(suite, summary)
    lines += ['', '## Cost', '']
    lines += _table(
        ['recipe', 'learning rate', 'seeds', *COSTS.values()],
        [
            [
                suite.recipes[entry['recipe']].title,
                f'{learning_rate(suite, suite.recipes[entry["recipe"]]):g}',
                ', '.join(map(str, entry['seeds'])),
                *map(in_words, entry['costs'].values()),
            ]
            for entry in summary
            if entry['test'] == suite.curve_test  # all recipes are tested so
        ],
    )
    lines += ['', '## Where the figures come from', '', f'    {command}', '']
    lines += [f'- {fact}' for fact in sources(results)]
    return '\n'.join(lines) + '\n'


def _by_test_pixels(suite: Suite, summary: Sequence[dict[str, Any]]) -> list[str]:
    """The headline of each recipe, tested in ways that cost more and more."""
    mpx = {
        test: [entry['test_mpx'] for entry in summary if entry['test'] == test]
        for test in suite.tests
    }
    order = sorted(
        (test for test in mpx if mpx[test]), key=lambda test: sum(mpx[test]) / len(mpx[test])
    )
    found = {(entry['recipe'], entry['test']): entry for entry in summary}
    heads = []
    for test in order:
        low, high = f'{min(mpx[test]):.2f}', f'{max(mpx[test]):.2f}'
        heads.append(
            f'{suite.tests[test].title} ({low if low == high else f"{low} to {high}"} Mpx)'
        )
    rows = []
    for recipe in suite.recipes:
        entries = [found.get((recipe, test)) for test in order]
        if any(entries):
            cells = [in_words(e['figures'][suite.headline]) if e else '-' for e in entries]
            rows.append([suite.recipes[recipe].title, *cells])
    return _table([f'{word(suite.headline)} of', *heads], rows)


def _testing_table(suite: Suite, summary: Sequence[dict[str, Any]]) -> list[str]:
    """The headline beside what it costs, for each recipe and way of testing."""
    whole = suite.tests[suite.whole_test].title
    head = ['recipe', 'tested', 'n', word(suite.headline), f'against {whole}']
    for cost in TEST_COSTS.values():
        head += [f'{cost} per image', 'share']
    rows = []
    for entry in summary:
        costs = entry['testing']
        row = [suite.recipes[entry['recipe']].title, suite.tests[entry['test']].title]
        row += [len(entry['seeds']), in_words(entry['figures'][suite.headline])]
        row += [in_words(costs['change'])]
        for key in TEST_COSTS:
            row += [in_words(costs[key], digits=3), f'{in_words(costs[f"{key}_share"])} %']
        rows.append(row)
    return _table(head, rows)


def sources(results: Sequence[dict[str, Any]]) -> list[str]:
    """Dates, commits, machines and versions of all runs."""
    found = [run['provenance'] for run in results]
    dates = sorted(item['date'] for item in found)
    versions = {', '.join(f'{k} {v}' for k, v in item['versions'].items()) for item in found}
    threads = {f'{item["threads"]} per process' for item in found}
    return [
        f'date: {dates[0]} to {dates[-1]}',
        f'commit: {", ".join(sorted({item["commit"] for item in found}))}',
        f'machine: {"; ".join(sorted({item["machine"] for item in found}))}',
        f'threads: {", ".join(sorted(threads))}',
        f'versions: {"; ".join(sorted(versions))}',
    ]


def _table(head: Sequence, rows: Sequence[Sequence]) -> list[str]:
    lines = [head, ['---'] * len(head), *rows]
    return [f'| {" | ".join(map(str, line))} |' for line in lines]
