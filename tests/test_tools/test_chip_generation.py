import json
import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from proposal_tables import proposal_table, random_boxes, scattered_proposals

from mmsniper.datasets.proposal_file import write_proposals
from mmsniper.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / 'tools' / 'benchmarks' / 'chip_generation.py'
DATA = Path(os.environ.get('MMSNIPER_DATA', ROOT.parent / 'shared' / 'data'))

# Of the original chip generator: images, chips per image and per level, megapixels per image; then
# megapixels of the single scale and of the pyramid where they are known.
ORIGINAL = {
    'coco_sample/annotations/instances_train2017.json': (
        129, 4.71, (2.14, 1.75, 0.82), 1.174, 0.894, 3.656
    ),
    'coco_sample/annotations/instances_val2017.json': (
        50, 4.06, (1.88, 1.44, 0.74), 1.009, None, None
    ),
    'bccd/annotations/train.json': (205, 6.98, (1.16, 4.85, 0.98), 1.768, None, None),
}  # fmt: skip


@pytest.fixture(scope='module')
def script():
    """The script as a module, which spares most cases a process."""
    spec = spec_from_file_location('chip_generation', SCRIPT)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(script, monkeypatch):
    def run_main(*args):
        monkeypatch.setattr(sys, 'argv', [str(SCRIPT), *map(str, args)])
        script.main()

    return run_main


@pytest.fixture
def coco_file(tmp_path):
    path = tmp_path / 'annotations.json'
    images = [dict(id=7, height=480, width=640), dict(id=3, height=480, width=640)]
    annotations = [
        dict(id=1, image_id=3, bbox=[10, 10, 50, 40], iscrowd=0),
        dict(id=2, image_id=3, bbox=[300, 200, 50, 40], iscrowd=1),
        dict(id=3, image_id=3, bbox=[100, 60, 200, 200]),
    ]
    path.write_text(json.dumps(dict(images=images, annotations=annotations, categories=[])))
    return path


def test_figures_of_the_original_generator(run, capsys):
    files = [DATA / name for name in ORIGINAL]
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        pytest.skip(f'data set not found, set MMSNIPER_DATA: {", ".join(missing)}')
    run(*files, '--json', '-')
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == len(files)
    for row, file, expected in zip(rows, files, ORIGINAL.values()):
        images, chips, levels, area, single, pyramid = expected
        assert (row['file'], row['images']) == (str(file), images)
        assert row['chips_per_image'] == pytest.approx(chips, rel=0.03)
        assert row['chips_per_level'] == pytest.approx(levels, rel=0.03)
        assert row['mpx_per_image'] == pytest.approx(area, rel=0.03)
        if single is not None:
            assert row['mpx_single_scale'] == pytest.approx(single, abs=0.0006)
            assert row['mpx_pyramid'] == pytest.approx(pyramid, abs=0.0006)
        assert row['ms_per_image'] > 0


def test_figures_of_a_small_file(run, coco_file, tmp_path, capsys):
    target = tmp_path / 'figures.json'
    run(coco_file, '--repeat', 2, '--json', target)
    header, line = capsys.readouterr().out.splitlines()
    assert 'chips/image' in header and str(coco_file) in line
    (row,) = json.loads(target.read_text())
    # One small box (fine and middle level) and one large box in one of two images, a crowd aside.
    assert row['images'] == 2
    assert row['chips_per_level'] == [0.5, 0.5, 0.5]
    assert row['chips_per_image'] == 1.5
    area = (round(175 * 1400 / 480) ** 2 + round(307 * 800 / 480) ** 2 + 512 * 384) / 2 / 1e6
    assert row['mpx_per_image'] == pytest.approx(area)
    assert row['mpx_single_scale'] == pytest.approx(1067 * 800 / 1e6)
    assert row['mpx_pyramid'] == pytest.approx((1867 * 1400 + 1067 * 800 + 512 * 384) / 1e6)


def test_negative_chips_of_a_small_file(run, coco_file, tmp_path, capsys):
    content = json.loads(coco_file.read_text())
    for image in content['images']:
        image['file_name'] = f'{image["id"]}.jpg'
    coco_file.write_text(json.dumps(content))
    # Of the image without an object, 30 proposals of 40 px around one place: a chip at the fine and
    # one at the middle level; 9 are too few for any.
    boxes = random_boxes(0, 30, (300, 200, 400, 300), 38, 42)
    table = proposal_table({'7.jpg': boxes, '3.jpg': boxes[:9] + 100})
    write_proposals(tmp_path / 'proposals.npz', table)
    target = tmp_path / 'figures.json'
    run(coco_file, '--proposals', tmp_path / 'proposals.npz', '--repeat', 2, '--json', target)
    header, line = capsys.readouterr().out.splitlines()
    assert 'negative' in header and '0.50, 0.50, 0.00' in line
    (row,) = json.loads(target.read_text())
    assert row['negatives_per_level'] == [0.5, 0.5, 0]
    assert (row['negatives_per_image'], row['chips_per_image']) == (1, 2.5)
    del content['images'][0]['file_name']
    coco_file.write_text(json.dumps(content))
    with pytest.raises(InputError, match='has images without a file_name'):
        run(coco_file, '--proposals', tmp_path / 'proposals.npz')


@pytest.fixture
def coco_proposals(tmp_path):
    """200 proposals for each image of coco_sample, four of five around objects."""
    annotations = DATA / 'coco_sample/annotations/instances_train2017.json'
    if not annotations.is_file():
        pytest.skip(f'data set not found, set MMSNIPER_DATA: {annotations}')
    path = tmp_path / 'coco_proposals.npz'
    write_proposals(path, scattered_proposals(annotations, number=200, share=0.8, seed=0))
    return annotations, path


def test_about_five_chips_with_the_negative_ones(run, coco_proposals, capsys):
    annotations, proposals = coco_proposals
    run(annotations, '--proposals', proposals, '--repeat', 3, '--json', '-')
    (row,) = json.loads(capsys.readouterr().out)
    positive = sum(row['chips_per_level'])
    assert positive == pytest.approx(4.71, rel=0.03)
    assert row['negatives_per_image'] == pytest.approx(sum(row['negatives_per_level']))
    assert row['chips_per_image'] == pytest.approx(positive + row['negatives_per_image'])
    # The paper (arXiv:1805.09300) has about 5 on COCO.
    assert 4.8 < row['chips_per_image'] < 5.7


def test_the_table_leaves_standard_output_to_json(run, coco_file, capsys):
    run(coco_file, '--repeat', 1, '--json', '-')
    printed = capsys.readouterr()
    assert json.loads(printed.out)[0]['images'] == 2
    assert 'chips/image' in printed.err


@pytest.mark.parametrize(
    'text, part',
    [
        (None, 'is not a file'),
        ('', 'is no COCO annotation file'),
        ('[1, 2]', 'is no COCO annotation file'),
        ('{"images": []}', 'is no COCO annotation file'),
        ('{"images": [], "annotations": []}', 'has no images'),
        (
            '{"images": [{"id": 1, "height": 5, "width": 5}],'
            ' "annotations": [{"image_id": 2, "bbox": [1, 2, 3, 4]}]}',
            'does not list',
        ),
        (
            '{"images": [{"id": 1, "height": 5, "width": 5}],'
            ' "annotations": [{"image_id": 1, "bbox": [1, NaN, 3, 4]}]}',
            'four finite numbers',
        ),
        ('{"images": [{"id": 1, "height": 0, "width": 5}], "annotations": []}', 'positive height'),
    ],
    ids=['missing', 'empty', 'list', 'no-annotations', 'no-images', 'owner', 'nan', 'no-pixels'],
)
def test_bad_files(script, tmp_path, text, part):
    path = tmp_path / 'bad.json'
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=part) as error:
        script.load_annotations(str(path))
    assert str(path) in str(error.value)


def test_bad_input_ends_with_one_sentence_and_no_figures(coco_file, tmp_path):
    target = tmp_path / 'figures.json'
    command = [sys.executable, SCRIPT, coco_file, tmp_path / 'missing.json', '--json', target]
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith('error: ')
    assert 'missing.json' in done.stderr and 'Traceback' not in done.stderr
    assert not target.exists()
