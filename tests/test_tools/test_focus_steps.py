"""The benchmark of what a focus head costs a training step, on a step."""

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location

import pytest
from command_line import TOOLS


def test_figures_of_a_step(monkeypatch, tmp_path, capsys):
    path = TOOLS / 'benchmarks' / 'focus_steps.py'
    spec = spec_from_file_location('focus_steps', path)
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    out = tmp_path / 'figures.json'
    arguments = ['--detectors', 'atss', '--size', '64', '--steps', '1', '--warm-up', '0']
    monkeypatch.setattr(sys, 'argv', ['focus_steps.py', *arguments, '--json', str(out)])
    script.main()
    (row,) = json.loads(out.read_text())
    assert row['detector'] == 'atss' and row['plain_ms'] > 0 and row['focus_ms'] > 0
    assert row['ratio'] == pytest.approx(row['focus_ms'] / row['plain_ms'])
    assert len(capsys.readouterr().out.splitlines()) == 2
