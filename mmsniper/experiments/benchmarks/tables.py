"""Tables of results: single values, mean and spread over seeds."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmsniper.utils.json_file import write_json
from mmsniper.utils.whole_file import write_whole

from .figures import columns, figure, in_words, spread, word
from .run import RESULT, has_all_tests
from .run_config import learning_rate
from .suite import Suite


def collect(suite: Suite, out_dir: Path) -> list[dict[str, Any]]:
    """The results of all finished runs of a comparison, by recipe and seed."""
    found = [json.loads(path.read_text()) for path in out_dir.glob(f'runs/*/seed_*/{RESULT}')]
    order = list(suite.recipes)
    found = [each for each in found if each['recipe'] in order and has_all_tests(suite, each)]
    return sorted(found, key=lambda result: (order.index(result['recipe']), result['seed']))


def summarise(suite: Suite, results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry for each recipe and test.

    Returns:
        list[dict[str, Any]]: ``recipe``, ``test``, ``seeds``, ``test_mpx`` (per image, the mean),
        ``testing`` (see :func:`testing_costs`), ``costs`` and ``figures``, each a :func:`spread`;
        figures in percent.
    """
    summary = []
    for recipe in suite.recipes:
        runs = [result for result in results if result['recipe'] == recipe]
        for test in suite.tests_of(recipe) if runs else ():
            tests = [run['tests'][test] for run in runs]
            spent = [costs(run) for run in runs]
            testing = testing_costs(suite, runs, test)
            summary.append(
                dict(
                    recipe=recipe,
                    test=test,
                    seeds=[run['seed'] for run in runs],
                    test_mpx=testing['test_mpx']['mean'],
                    testing=testing,
                    costs={name: spread([cost[name] for cost in spent]) for name in COSTS},
                    figures={
                        name: spread([figure(t['metrics'], name) for t in tests])
                        for name in columns(suite)
                    },
                )
            )
    return summary


#: What a test costs per image.
TEST_COSTS = {'test_mpx': 'Mpx', 'test_seconds': 's', 'test_cpu_seconds': 'CPU s'}


def testing_costs(suite: Suite, runs: Sequence[dict[str, Any]], test: str) -> dict[str, Any]:
    """What a test costs per image, and as a share of what the whole test of the same run costs.

    Returns:
        dict[str, Any]: A :func:`spread` for each of ``TEST_COSTS`` and, where the suite has a
        ``whole_test``, ``..._share`` in percent and ``change``, of the headline in points.
    """
    pairs = [(run['tests'][test], run['tests'].get(suite.whole_test)) for run in runs]
    found = {key: spread([per_image(ours, key) for ours, _ in pairs]) for key in TEST_COSTS}
    if suite.whole_test is None:
        return found
    for key in TEST_COSTS:
        costs = [(per_image(ours, key), per_image(whole, key)) for ours, whole in pairs]
        found[f'{key}_share'] = spread([100 * a / b if a and b else None for a, b in costs])
    figures = [[figure(t['metrics'], suite.headline) for t in pair] for pair in pairs]
    found['change'] = spread([a - b if None not in (a, b) else None for a, b in figures])
    return found


def per_image(test: dict[str, Any], key: str) -> float | None:
    """A cost of a test per image, or None where it was not recorded."""
    value = test.get(key)
    return None if value is None else value / test['test_images']


COSTS = {
    'trained_mpx': 'trained Mpx',
    'proposal_mpx': 'RPN stage Mpx',
    'train_seconds': 'training s',
    'wall_seconds': 'whole run s',
}


def costs(run: dict[str, Any]) -> dict[str, float]:
    """What a run cost: see ``COSTS`` for the words."""
    return dict(
        trained_mpx=run['training']['trained_mpx'],
        proposal_mpx=run['proposals']['trained_mpx'] if run['proposals'] else 0.0,
        train_seconds=run['training']['seconds'],
        wall_seconds=sum(run['wall_seconds'].values()),
    )


def write_tables(
    suite: Suite, results: Sequence[dict[str, Any]], out_dir: Path, command: str
) -> str:
    """Write ``results.json``, ``values.csv``, ``summary.csv`` and ``results.md``.

    Returns:
        str: The Markdown.
    """
    summary = summarise(suite, results)
    content = dict(suite=suite.name, settings=suite.figures(), summary=summary, runs=list(results))
    write_json(out_dir / 'results.json', content)
    write_whole(out_dir / 'values.csv', values_csv(suite, results).encode())
    write_whole(out_dir / 'summary.csv', summary_csv(suite, summary).encode())
    text = markdown(suite, results, summary, command)
    write_whole(out_dir / 'results.md', text.encode())
    return text


def values_csv(suite: Suite, results: Sequence[dict[str, Any]]) -> str:
    """Every single value: a line for each run and test."""
    names = columns(suite)
    rows = [
        [
            *(run['recipe'], run['seed'], test),
            *(figure(run['tests'][test]['metrics'], name) for name in names),
            *costs(run).values(),
            *(per_image(run['tests'][test], key) for key in TEST_COSTS),
        ]
        for run in results
        for test in suite.tests_of(run['recipe'])
    ]
    per = [f'{key}_per_image' for key in TEST_COSTS]
    return _csv(['recipe', 'seed', 'test', *names, *COSTS, *per], rows)


def summary_csv(suite: Suite, summary: Sequence[dict[str, Any]]) -> str:
    """Mean, sample standard deviation and n: a line for each recipe and test."""
    heads = [f'{name} {part}' for name in columns(suite) for part in ('mean', 'deviation', 'n')]
    rows = [
        [
            *(entry['recipe'], entry['test'], entry['test_mpx']),
            *(
                value[part]
                for value in entry['figures'].values()
                for part in ('mean', 'deviation', 'n')
            ),
        ]
        for entry in summary
    ]
    return _csv(['recipe', 'test', 'test_mpx_per_image', *heads], rows)


def _csv(head: list[str], rows: list[list]) -> str:
    with io.StringIO(newline='') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(head)
        # Six digits tell all that COCO's figures hold, and diffs stay readable.
        writer.writerows([[f'{v:.6g}' if isinstance(v, float) else v for v in row] for row in rows])
        return file.getvalue()


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
    lines = [
        f'# {suite.title}',
        '',
        suite.question,
        '',
        f'{suite.data.title}, size {suite.size}; {extent} '
        f'{budget.step_mpx:g} Mpx. In percent; mean ± sample standard deviation of n seeds.',
    ]
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
