import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from proposal_tables import proposal_table, random_boxes

from mmsniper.datasets.proposal_file import write_proposals
from mmsniper.datasets.transforms import load_chip
from mmsniper.errors import InputError
from mmsniper.images import read_window
from mmsniper.visualization.canvas import NEGATIVE_COLOUR, PROPOSAL_COLOUR

SCRIPT = Path(__file__).parents[2] / 'tools' / 'misc' / 'browse_chips.py'
PIPELINE = """[
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='ChipSample'),
    dict(type='ScaleNormalize'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]"""
CHIPS = """dict(
    type='ChipDataset',
    levels=[2.0, 0.5],
    valid_ranges=[(-1, 60), (40, -1)],
    chip_size=128,
    dataset=dict(
        type='CocoDataset',
        data_root={root!r},
        ann_file='annotations.json',
        data_prefix=dict(img=''),
        metainfo=dict(classes=('thing',)),
    ),
    pipeline={pipeline},
)"""


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('browse_chips', SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Five images with a small and a large box each; two of them have the same name."""
    folder = tmp_path_factory.mktemp('data')
    images, annotations = [], []
    rng = np.random.default_rng(0)
    for index, name in enumerate(['a/0.png', 'b/0.png', 'b/1.png', 'b/2.png', 'b/3.png']):
        (folder / name).parent.mkdir(exist_ok=True)
        picture = rng.integers(0, 256, (160, 200, 3), np.uint8)
        cv2.imwrite(str(folder / name), picture)
        images.append(dict(id=index, file_name=name, height=160, width=200))
        for box in ([10 + index, 20, 20, 20], [60, 40, 110, 100]):
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=index,
                    category_id=1,
                    bbox=box,
                    area=box[2] * box[3],
                    iscrowd=0,
                )
            )
    content = dict(images=images, annotations=annotations, categories=[dict(id=1, name='thing')])
    (folder / 'annotations.json').write_text(json.dumps(content))
    return folder


def write_config(folder, dataset):
    path = folder / 'config.py'
    path.write_text(
        "custom_imports = dict(imports=['mmsniper'])\n"
        "default_scope = 'mmdet'\n"
        f'train_dataloader = dict(batch_size=1, dataset={dataset})\n'
    )
    return str(path)


@pytest.fixture
def config(root, tmp_path):
    return write_config(tmp_path, CHIPS.format(root=str(root), pipeline=PIPELINE))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_every_image_and_a_contact_sheet_are_written(tool, config, tmp_path, capsys):
    out = tmp_path / 'out'
    tool.main([config, '--out-dir', str(out), '-n', '3'])
    assert names(out) == ['0.png', '0_1.png', '1.png', 'contact_sheet.png']
    printed = capsys.readouterr().out
    for path in out.iterdir():
        assert cv2.imread(str(path)).shape[1] <= 1600
        assert f'wrote {path}' in printed
    assert '6 chips of 3 images' in printed


def test_the_sheet_shows_what_the_detector_gets(tool, config, monkeypatch, tmp_path):
    pages = []

    def record(tiles, captions, valid, ignored, max_width):
        pages.append((tiles, captions, valid, ignored))
        return np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setattr(tool, 'contact_sheet', record)
    monkeypatch.setattr(tool, 'TILES_PER_PAGE', 3)
    tool.main([config, '--out-dir', str(tmp_path / 'out'), '-n', '99'])
    assert names(tmp_path / 'out')[-4:] == [f'contact_sheet_{i}.png' for i in range(1, 5)]
    tiles, captions, valid, ignored = (sum(map(list, column), []) for column in zip(*pages))
    assert len(tiles) == 10  # a chip for the small and one for the large box of each of 5 images
    levels = ['level 0' in caption for caption in captions]
    assert levels == [True, False] * 5
    for tile, fine, counting, ignoring in zip(tiles, levels, valid, ignored):
        assert max(tile.shape[:2]) <= 128
        sides = counting[:, 2:] - counting[:, :2]
        expected = [[40, 40]] if fine else [[55, 50]]
        assert sides.tolist() == expected
        assert len(ignoring) <= 1


def test_whole_images_are_shown_where_chips_are_loaded(tool, root, tmp_path, monkeypatch):
    asked = []

    def read(path, window, size, **kwargs):
        asked.append((window is None, kwargs['more']))
        return read_window(path, window, size, **kwargs)

    monkeypatch.setattr(load_chip, 'read_window', read)
    pictures = []
    for loader in ('LoadImageFromFile', 'LoadChip'):
        pipeline = PIPELINE.replace('LoadImageFromFile', loader)
        config = write_config(tmp_path, CHIPS.format(root=str(root), pipeline=pipeline))
        out = tmp_path / loader
        tool.main([config, '--out-dir', str(out), '-n', '3'])
        pictures.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert pictures[0] == pictures[1]
    # Each image once, then its two chips, of images that have been decoded already.
    assert asked == [(True, True)] * 3 + [(False, True)] * 6


def test_negative_chips_are_shown_with_their_proposals(tool, config, root, tmp_path):
    options = [config, '--out-dir', str(tmp_path / 'out'), '-n', '2']
    # Thirty proposals in the lower right corner, far from the fine chips around (20, 20).
    boxes = random_boxes(0, 30, (150, 110, 199, 159), 18, 22)
    write_proposals(tmp_path / 'p.npz', proposal_table({'a/0.png': boxes, 'b/0.png': boxes[:3]}))
    tool.main([*options, '--proposals', str(tmp_path / 'p.npz')])
    with_chip, without = (cv2.imread(str(tmp_path / 'out' / f'{n}.png')) for n in ('0', '0_1'))
    for colour in (NEGATIVE_COLOUR, PROPOSAL_COLOUR):
        assert (with_chip == colour).all(axis=2).any()
        assert not (without == colour).all(axis=2).any()


def test_other_epochs_have_other_chips(tool, config):
    _, chips = tool.build_dataset(Path(config), None)
    first = chips.table.boxes
    chips.set_epoch(3)
    assert first.shape == chips.table.boxes.shape
    assert not np.array_equal(first, chips.table.boxes)


def test_the_same_call_writes_the_same_pictures(tool, config, tmp_path):
    for name in ('x', 'y'):
        tool.main([config, '--out-dir', str(tmp_path / name), '-n', '2', '--epoch', '1'])
    for path in (tmp_path / 'x').iterdir():
        assert path.read_bytes() == (tmp_path / 'y' / path.name).read_bytes()


def test_options_override_the_config(tool, config, tmp_path):
    options = ['--cfg-options', 'train_dataloader.dataset.chip_size=64']
    args = tool.parse_args([config, '--out-dir', str(tmp_path), *options])
    _, chips = tool.build_dataset(args.config, args.cfg_options)
    assert chips.chip_size == 64


@pytest.mark.parametrize(
    'wrapper',
    [
        "dict(type='RepeatDataset', times=2, dataset={})",
        "dict(type='MultiImageMixDataset', pipeline=[], dataset={})",
    ],
)
def test_chips_are_found_inside_wrappers(tool, root, tmp_path, wrapper):
    chips = CHIPS.format(root=str(root), pipeline=PIPELINE)
    config = write_config(tmp_path, wrapper.format(chips))
    tool.main([config, '--out-dir', str(tmp_path / 'out'), '-n', '1'])
    assert names(tmp_path / 'out') == ['0.png', 'contact_sheet.png']


def test_bad_input_is_named(tool, config, root, tmp_path):
    out = ['--out-dir', str(tmp_path / 'out')]
    with pytest.raises(InputError, match='-n 0'):
        tool.main([config, *out, '-n', '0'])
    with pytest.raises(InputError, match='--epoch -1'):
        tool.main([config, *out, '--epoch', '-1'])
    with pytest.raises(InputError, match='cannot be made'):
        tool.main([config, '--out-dir', config])
    with pytest.raises(FileNotFoundError):
        tool.main([str(tmp_path / 'missing.py'), *out])


def test_configs_without_chips_are_named(tool, root, tmp_path):
    out = ['--out-dir', str(tmp_path / 'out')]
    plain = (
        f"dict(type='CocoDataset', data_root={str(root)!r}, ann_file='annotations.json', "
        "data_prefix=dict(img=''), metainfo=dict(classes=('thing',)))"
    )
    with pytest.raises(InputError, match='CocoDataset without a ChipDataset'):
        tool.main([write_config(tmp_path, plain), *out])
    unpacked = CHIPS.format(root=str(root), pipeline="[dict(type='LoadImageFromFile')]")
    with pytest.raises(InputError, match='PackDetInputs'):
        tool.main([write_config(tmp_path, unpacked), *out])
    empty = CHIPS.format(root=str(root), pipeline='[]')
    with pytest.raises(InputError, match='loads no image'):
        tool.main([write_config(tmp_path, empty), *out])
    (tmp_path / 'none.py').write_text('model = dict()\n')
    with pytest.raises(InputError, match=r'no train_dataloader\.dataset'):
        tool.main([str(tmp_path / 'none.py'), *out])


def test_a_picture_of_another_size_than_annotated_is_named(tool, tmp_path):
    info = dict(img_path='a.png', height=30, width=40, instances=[])

    class Chips:
        pipeline = type('', (), {'transforms': [lambda r: r | dict(img=np.zeros((40, 30, 3)))]})

        def get_data_info(self, item):
            return dict(info)

    with pytest.raises(InputError, match=r'a\.png is 30x40 pixels, but its annotation says 40x30'):
        tool.load_image(Chips(), 0)


@pytest.mark.parametrize(
    'replaced, by, message',
    [
        (
            "dict(type='ChipSample'),\n    dict(type='ScaleNormalize')",
            "dict(type='Resize', scale=(64, 64))",
            'neither ChipSample nor ScaleNormalize, whose place Resize cannot take',
        ),
        (
            "dict(type='ChipSample')",
            "dict(type='RandomAffine'), dict(type='ChipSample')",
            'RandomAffine would move the image before ChipSample',
        ),
    ],
)
def test_pipelines_without_chips_are_named(tool, root, tmp_path, replaced, by, message):
    chips = CHIPS.format(root=str(root), pipeline=PIPELINE.replace(replaced, by))
    with pytest.raises(InputError, match=message):
        tool.main([write_config(tmp_path, chips), '--out-dir', str(tmp_path / 'out')])
    assert not list(tmp_path.glob('out/*'))
