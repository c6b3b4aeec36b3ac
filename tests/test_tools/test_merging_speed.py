"""The benchmark of merging, on few boxes."""

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location

from command_line import TOOLS


def test_figures_of_few_boxes(monkeypatch, tmp_path, capsys):
    spec = spec_from_file_location('merging_speed', TOOLS / 'benchmarks' / 'merging_speed.py')
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    path = tmp_path / 'figures.json'
    arguments = ['--boxes', '50', '200', '--repeat', '1', '--json', str(path)]
    monkeypatch.setattr(sys, 'argv', ['merging_speed.py', *arguments])
    script.main()
    figures = json.loads(path.read_text())
    assert [row['boxes'] for row in figures] == [50, 200]
    assert all(0 < row['kept'] < row['boxes'] and row['nms_ms'] > 0 for row in figures)
    assert all(row['nmm_ms'] > 0 and row['wbf_ms'] > 0 for row in figures)
    assert len(capsys.readouterr().out.splitlines()) == 4
