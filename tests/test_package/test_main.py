"""``python -m mmsniper``: all tools by their names, and the models by those of their detectors."""

import runpy
import sys
from importlib.metadata import PackageNotFoundError, distribution

import pytest
import yaml
from command_line import ROOT, TOOLS

from mmsniper.__main__ import find_tools, purpose


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs it in this process; gives status, output and errors."""

    def run_main(*arguments):
        monkeypatch.setattr(sys, 'argv', ['mmsniper', *arguments])
        monkeypatch.setattr(sys, 'path', ['', *sys.path[1:]])
        try:
            runpy.run_path(str(ROOT / 'mmsniper' / '__main__.py'), run_name='__main__')
            status = 0
        except SystemExit as ended:
            status = ended.code or 0
        return status, *capsys.readouterr()

    return run_main


@pytest.mark.parametrize('arguments', [(), ('-h',)])
def test_tools_are_listed(call, arguments):
    status, output, _ = call(*arguments)
    assert status == 0
    for name, path in find_tools().items():
        (line,) = [line for line in output.splitlines() if line.startswith(f'  {name} ')]
        assert purpose(path) in line
    assert {'train', 'test', 'infer', 'sniperize', 'voc_to_coco'} <= set(find_tools())


def test_every_tool_has_a_name_of_its_own():
    scripts = [p for p in TOOLS.rglob('*.py') if 'run_script(main)' in p.read_text()]
    assert len(find_tools()) == len(scripts) > 20
    assert all(len(purpose(script)) > 20 for script in scripts)


def test_a_tool_gets_all_that_follows(call):
    status, output, _ = call('draw_shapes', '-h')
    assert status == 0 and '--train' in output
    status, _, errors = call('draw_shapes', '--train', 'x')
    assert status == 2 and '--train' in errors


def test_errors_are_the_last_line(call, tmp_path):
    status, _, errors = call('sniperize', str(tmp_path / 'gone.py'))
    assert status == 1
    assert errors.splitlines()[-1].startswith('error: ') and 'gone.py' in errors


def test_a_name_with_a_typing_error(call):
    status, _, errors = call('infre')
    assert (status, errors) == (1, 'error: there is no tool infre: did you mean infer\n')


def test_models_are_found_by_the_names_of_their_detectors():
    """As ``mim search mmdet --model NAME`` has them."""
    import_names = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    cards = [yaml.safe_load((ROOT / name).read_text()) for name in import_names]
    collections = [c['Name'] for card in cards for c in card.get('Collections', ())]
    models = [model for card in cards for model in card['Models']]
    assert len(set(collections)) == len(collections)
    assert {model['In Collection'] for model in models} == set(collections)
    assert {'Faster R-CNN', 'RetinaNet', 'Mask R-CNN', 'YOLOX', 'RTMDet'} <= set(collections)
    assert len({model['Name'] for model in models}) == len(models)


def test_mim_finds_models():
    search = pytest.importorskip('mim.commands.search')
    try:
        distribution('mmsniper')
    except PackageNotFoundError:
        pytest.skip('mmsniper is not installed: run make setup')
    found = search.get_model_info('mmsniper', models=['Faster R-CNN', 'yolox'])
    assert {'faster-rcnn_r50_fpn_sniper-7e_coco', 'yolox_s_sniper-105e_coco'} <= set(found.index)
    found = search.get_model_info('mmsniper', training_datasets=['visdrone-det'])
    assert 'rtmdet_s_sniper-60e_visdrone' in found.index
