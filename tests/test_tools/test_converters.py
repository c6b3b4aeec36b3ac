"""The command lines that make COCO annotation files of other formats."""

import json
import runpy
import sys

import pytest
from command_line import TOOLS
from foreign_data import write_picture, write_text

PICTURE = 'a.jpg'
VOC = (
    '<annotation><object><name>cup</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>10</xmax>'
    '<ymax>20</ymax></bndbox></object></annotation>'
)
LABELME = dict(shapes=[dict(label='cup', points=[[0, 0], [10, 20]], shape_type='rectangle')])
FEATURE = dict(properties=dict(image_id=PICTURE, type_id=18, bounds_imcoords='0,0,10,20'))
# For each format its files, and the arguments of its tool in their folder.
FORMATS = {
    'visdrone': ({'annotations/a.txt': '0,0,10,20,1,4,0,0'}, ['{}']),
    'dota': (
        {'labelTxt/a.txt': '0 0 10 0 10 20 0 20 plane 0'},
        ['{}/labelTxt', '--images', '{}/images', '--version', '1.5'],
    ),
    'xview': (
        {'train.geojson': json.dumps(dict(features=[FEATURE]))},
        ['{}/train.geojson', '--images', '{}/images', '--part', 'train'],
    ),
    'voc': ({'images/a.xml': VOC}, ['{}/images', '--keep-difficult']),
    'yolo': (
        {'labels/a.txt': '0 0.125 0.5 0.25 1', 'data.yaml': 'train: images\nnames: [cup]'},
        ['{}/data.yaml', '--split', 'train'],
    ),
    'labelme': ({'images/a.json': json.dumps(LABELME)}, ['{}/images', '--ignore-flags', 'bad']),
}


@pytest.fixture(params=list(FORMATS))
def command(request, tmp_path):
    """The path of a tool, and the arguments that convert a picture of 40x20 with one object."""
    files, arguments = FORMATS[request.param]
    write_picture(tmp_path / 'images' / PICTURE, 40, 20)
    for name, text in files.items():
        write_text(tmp_path / name, text)
    path = TOOLS / 'dataset_converters' / f'{request.param}_to_coco.py'
    arguments = [argument.format(tmp_path) for argument in arguments]
    return str(path), [*arguments, '--out', str(tmp_path / 'out.json')]


def run(path, arguments, monkeypatch):
    """As a person does: errors become sentences."""
    monkeypatch.setattr(sys, 'argv', [path, *arguments])
    runpy.run_path(path, run_name='__main__')


def test_each_converts_and_tells(command, tmp_path, monkeypatch, capsys):
    run(*command, monkeypatch)
    out = capsys.readouterr().out
    assert 'out.json: 1 pictures, 0 of them without an object; 1 objects; 0 crowds' in out
    content = json.loads((tmp_path / 'out.json').read_text())
    assert [entry['bbox'] for entry in content['annotations']] == [[0, 0, 10, 20]]
    with pytest.raises(SystemExit) as stopped:
        run(*command, monkeypatch)
    assert stopped.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith('error: ') and 'give --overwrite' in error and error.count('\n') == 1


def test_figures_as_json(command, monkeypatch, capsys):
    path, arguments = command
    run(path, [*arguments, '--json', '-'], monkeypatch)
    figures = json.loads(capsys.readouterr().out)
    assert figures['num_images'] == 1
    assert sum(figures['objects'].values()) == 1
    assert not figures['left_out']


def test_what_is_left_out_is_told(tmp_path, monkeypatch, capsys):
    write_picture(tmp_path / 'images/a.jpg', 40, 20)
    lines = '0,0,10,20,1,4,0,0', '0,0,0,20,1,4,0,0', '0,0,0,30,1,4,0,0', '0,0,9,9,0,0,0,0'
    write_text(tmp_path / 'annotations/a.txt', *lines)
    path = str(TOOLS / 'dataset_converters' / 'visdrone_to_coco.py')
    run(path, [str(tmp_path), '--out', str(tmp_path / 'out.json')], monkeypatch)
    out = capsys.readouterr().out
    assert '1 objects; 10 crowds to ignore' in out
    first = tmp_path / 'annotations/a.txt'
    assert f'left out:\n        2 boxes without area (the first: {first})\n' in out
