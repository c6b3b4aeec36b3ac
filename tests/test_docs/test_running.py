"""The blocks that a stranger types first are run, as they stand there, on a few drawn pictures."""

import json
import os
import re
import sys

import pytest
import torch
from coco_files import write_coco
from command_line import ROOT, run
from documents import blocks
from mmdet.registry import MODELS

from mmsniper import zoo_config

SIZES = [(160, 200), (150, 150), (128, 180), (140, 140)]
BOXES = [[(10, 10, 30, 30), (80, 60, 70, 70)], [(20, 60, 25, 20)], [(30, 30, 60, 20)], []]
# Needs a network, or data or time that a test does not have; all are parsed by test_commands.py.
LEFT_OUT = re.compile(r'pip |make |wget |.*(compare|yolo_to_coco|extract_proposals)\.py')


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where a person stands: with a folder of pictures, annotations, and a checkpoint."""
    for name in ('plates', 'licence_plates'):
        images = tmp_path / name / 'images'
        images.mkdir(parents=True)
        write_coco(images, SIZES, BOXES)
        content = json.loads((images / 'annotations.json').read_text())
        content['categories'] = [dict(id=1, name='plate')]
        for annotation in content['annotations']:
            annotation['category_id'] = 1
        (tmp_path / name / 'annotations').mkdir()
        for part in ('train', 'val'):
            for place in ('.', 'annotations'):
                (tmp_path / name / place / f'{part}.json').write_text(json.dumps(content))
    (tmp_path / 'pictures').symlink_to(images)
    (tmp_path / 'tools').symlink_to(ROOT / 'tools')
    for size in ('tiny', 'nano'):
        model = MODELS.build(zoo_config(f'yolox/yolox_{size}_8xb8-300e_coco.py').model)
        classes = dict(meta=dict(dataset_meta=dict(classes=tuple(map(str, range(80))))))
        checkpoint = dict(state_dict=model.state_dict(), **classes)
        torch.save(checkpoint, tmp_path / f'yolox_{size}.pth')
        (tmp_path / f'yolox_{size}_coco.pth').symlink_to(tmp_path / f'yolox_{size}.pth')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize('name', ['README.md', 'docs/tutorials/own_data.md'])
def test_blocks_run_as_they_stand(name, folder):
    page, ran = ROOT / name, []
    for block in blocks(page, 'bash', 'python'):
        if block.language == 'python' and 'import' in block.text:
            exec(compile(block.text, block.place, 'exec'), {})
        elif block.language == 'bash':
            for words in block.commands():
                if LEFT_OUT.match(' '.join(words)):
                    continue
                if 'infer' in ' '.join(words):  # each run wants a folder of its own
                    words = [f'found_{len(ran)}' if word == 'found' else word for word in words]
                done = run(*words, cwd=folder)
                assert done.returncode == 0, f'{block.place}: {words}\n{done.stderr[-2000:]}'
                ran.append(words)
    assert len(ran) >= 6
    found = sorted(folder.glob('found_*'))
    assert found and all((place / 'predictions.json').is_file() for place in found)
    assert (folder / 'work_dirs' / 'plates' / 'epoch_5.pth').is_file()


@pytest.mark.slow
def test_notebook_runs(tmp_path, monkeypatch):
    """All cells, with fewer pictures and epochs; what they print and draw is not kept."""
    notebook = json.loads((ROOT / 'docs' / 'tutorials' / 'quick_start.ipynb').read_text())
    text = []
    for cell in notebook['cells']:
        if cell['cell_type'] == 'code':
            assert not cell['outputs'] and cell['execution_count'] is None, 'strip its outputs'
            is_size = 'parameters' in cell['metadata'].get('tags', ())
            text.append('NUM_IMAGES, EPOCHS = 8, 1' if is_size else ''.join(cell['source']))
    (tmp_path / 'notebook.py').write_text('\n'.join(text))
    environment = dict(os.environ, MPLBACKEND='Agg')
    done = run(sys.executable, 'notebook.py', cwd=tmp_path, **environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count(' objects') == 2
