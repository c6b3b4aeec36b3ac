"""The benchmark of what ignoring costs a training step, on a step."""

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location

import pytest
from command_line import TOOLS


@pytest.mark.parametrize('more', [[], ['--without-ignored']])
def test_figures_of_a_step(monkeypatch, tmp_path, capsys, more):
    path = TOOLS / 'benchmarks' / 'ignoring_steps.py'
    spec = spec_from_file_location('ignoring_steps', path)
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    out = tmp_path / 'figures.json'
    arguments = ['--detectors', 'fcos', '--size', '64', '--steps', '1', '--warm-up', '0', *more]
    monkeypatch.setattr(sys, 'argv', ['ignoring_steps.py', *arguments, '--json', str(out)])
    script.main()
    (row,) = json.loads(out.read_text())
    assert row['detector'] == 'fcos' and row['plain_ms'] > 0 and row['aware_ms'] > 0
    assert row['ratio'] == pytest.approx(row['aware_ms'] / row['plain_ms'])
    assert len(capsys.readouterr().out.splitlines()) == 2
