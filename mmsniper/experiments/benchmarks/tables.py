"""Tables of results: single values, mean and spread over seeds."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmsniper.utils.json_file import write_json
from mmsniper.utils.whole_file import write_whole

from .figures import columns, figure
from .markdown_page import markdown
from .suite import Suite
from .summary import COSTS, TEST_COSTS, costs, per_image, summarise


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
