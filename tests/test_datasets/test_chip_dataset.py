import copy
import json
import pickle

import numpy as np
import pytest
from coco_files import LEVELS, PIPELINE, write_coco
from log_capture import log_of
from mmdet.registry import DATASETS
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmsniper import InputError
from mmsniper.datasets import BrokenImageError, ChipDataset

SIZES = [(150, 200), (128, 96), (100, 100)]
BOXES = [
    [(10, 10, 20, 20), (120, 90, 30, 30), (30, 30, 100, 100)],
    [(5, 80, 35, 25), (60, 5, 30, 20)],
    [],
]


@pytest.fixture
def inner(tmp_path):
    return write_coco(tmp_path, SIZES, BOXES, crowds=[(1, 1)])


def rows(dataset):
    return np.column_stack([dataset.table.image, dataset.table.level, dataset.table.boxes])


def test_items_are_chips_with_their_instances(inner):
    dataset = ChipDataset(inner, PIPELINE, **LEVELS)
    assert len(dataset) == len(dataset.table) > 3
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        item = dataset[index]
        sample = item['data_samples']
        assert info['img_id'] == sample.img_id
        left, top, right, bottom = info['chip']
        factor = info['chip_scale']
        assert item['inputs'].shape[1:] == (
            int((bottom - top) * factor + 0.5),
            int((right - left) * factor + 0.5),
        )
        assert max(item['inputs'].shape[1:]) <= 64
        assert len(sample.gt_instances) >= 1, 'a positive chip has a valid box'
        # The bright pixels of the drawn boxes are where the boxes say.
        for x1, y1, x2, y2 in sample.gt_instances.bboxes.tensor.round().int().tolist():
            assert item['inputs'][:, y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].float().mean() > 190
        assert sorted(dataset.get_cat_ids(index)) == sorted(
            set(dataset.get_cat_ids(index)) & set(sample.gt_instances.labels.tolist())
        )


def test_classes_of_views_are_those_of_their_range(inner):
    settings = dict(levels=[1.0, 0.5], valid_ranges=[(-1, 40), (30, -1)])
    views = ChipDataset(inner, PIPELINE, **settings, test_mode=True)
    found = [len(views.get_cat_ids(index)) for index in range(len(views))]
    # 20x20, 30x30 and 100x100 in the first image; 35x25 (a crowd is beside it) in the second.
    assert found == [2, 2, 1, 0, 0, 0]


def test_crowds_are_always_ignored_and_get_no_chip(inner):
    dataset = ChipDataset(inner, PIPELINE, **LEVELS)
    crowd = np.array([60, 5, 90, 25])
    of_image = dataset.table.boxes[dataset.table.image == 1]
    assert not len(dataset.boxes.boxes[(dataset.boxes.boxes == crowd).all(1)])
    seen = 0
    for index in np.flatnonzero(dataset.table.image == 1):
        sample = dataset[index]['data_samples']
        assert 1 not in sample.gt_instances.labels
        seen += (sample.ignored_instances.labels == 1).sum()
    assert len(of_image)
    whole = ChipDataset(inner, PIPELINE, levels=[0.3], valid_ranges=[(-1, -1)], chip_size=64)
    sample = whole[int(np.flatnonzero(whole.table.image == 1)[0])]['data_samples']
    assert sample.ignored_instances.labels.tolist() == [1]


def test_epochs_are_a_function_of_seed_and_epoch(inner):
    dataset, other = (ChipDataset(inner, PIPELINE, **LEVELS) for _ in range(2))
    first = rows(dataset)
    dataset.set_epoch(5)
    fifth = rows(dataset)
    assert len(dataset) == len(first) == len(fifth)
    assert not np.array_equal(first, fifth)
    other.set_epoch(5)  # straight there, as after a resume
    assert np.array_equal(rows(other), fifth)
    dataset.set_epoch(0)
    assert np.array_equal(rows(dataset), first)
    seeded = ChipDataset(inner, PIPELINE, seed=1, **LEVELS)
    assert rows(seeded).shape != first.shape or not np.array_equal(rows(seeded), first)


def test_every_chip_of_an_epoch_is_given_out(inner):
    dataset = ChipDataset(inner, PIPELINE, **LEVELS)
    for epoch in range(1, 20):
        generated = dataset._chips.generate(epoch)
        dataset.set_epoch(epoch)
        assert dataset.num_generated == len(generated)
        wanted = {tuple(row) for row in np.column_stack([generated.image, generated.boxes])}
        given = [tuple(row) for row in np.column_stack([dataset.table.image, dataset.table.boxes])]
        assert len(given) == len(dataset)
        assert set(given) <= wanted
        assert len(set(given)) >= min(len(wanted), len(dataset))


def test_an_index_beyond_the_length_is_of_a_later_epoch(inner):
    dataset = ChipDataset(inner, PIPELINE, **LEVELS)
    beyond = [dataset.get_data_info(2 * len(dataset) + i)['chip'] for i in range(len(dataset))]
    dataset.set_epoch(2)
    assert np.array_equal(beyond, dataset.table.boxes)


def test_iterating_ends(inner):
    dataset = ChipDataset(inner, PIPELINE, **LEVELS)
    assert len(list(dataset)) == len(dataset)


def test_running_workers_see_the_new_epoch(inner):
    dataset = ChipDataset(inner, PIPELINE, **LEVELS)
    loader = DataLoader(
        dataset, batch_size=2, num_workers=2, persistent_workers=True, collate_fn=pseudo_collate
    )
    for epoch in (0, 3, 1):
        dataset.set_epoch(epoch)
        chips = [sample.chip for batch in loader for sample in batch['data_samples']]
        assert np.array_equal(chips, dataset.table.boxes)


def test_workers_of_a_copied_dataset_see_the_new_epoch(inner):
    config = dict(
        dataset=ChipDataset(inner, PIPELINE, **LEVELS),
        batch_size=2,
        num_workers=1,
        persistent_workers=True,
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    loader = Runner.build_dataloader(config)
    for epoch in (0, 2):
        loader.dataset.set_epoch(epoch)
        chips = [sample.chip for batch in loader for sample in batch['data_samples']]
        assert np.array_equal(chips, loader.dataset.table.boxes)


def test_it_can_be_pickled_and_copied(inner):
    dataset = ChipDataset(inner, PIPELINE, **LEVELS)
    for copied in (copy.deepcopy(dataset), pickle.loads(pickle.dumps(dataset))):
        assert np.array_equal(rows(copied), rows(dataset))


@pytest.mark.parametrize(
    'wrap',
    [
        lambda inner: dict(type='ConcatDataset', datasets=[inner, inner]),
        lambda inner: dict(type='RepeatDataset', dataset=inner, times=2),
        lambda inner: dict(type='ClassBalancedDataset', dataset=inner, oversample_thr=0.9),
    ],
)
def test_around_wrappers(inner, wrap):
    inner = dict(inner, filter_cfg=dict(filter_empty_gt=True))
    dataset = ChipDataset(wrap(inner), PIPELINE, **LEVELS)
    assert dataset.num_images == len(dataset.dataset) >= 2
    assert dataset.metainfo['classes'] == ('a', 'b')
    for index in range(len(dataset)):
        assert len(dataset[index]['data_samples'].gt_instances)


def test_inside_wrappers(inner):
    chips = dict(type='ChipDataset', dataset=inner, pipeline=PIPELINE, **LEVELS)
    repeated = DATASETS.build(dict(type='RepeatDataset', dataset=chips, times=3))
    assert len(repeated) == 3 * len(repeated.dataset)
    assert repeated[len(repeated) - 1]['inputs'].shape[0] == 3
    balanced = DATASETS.build(dict(type='ClassBalancedDataset', dataset=chips, oversample_thr=0.9))
    assert len(balanced) >= len(balanced.dataset)
    mixed = DATASETS.build(
        dict(
            type='MultiImageMixDataset',
            dataset=dict(chips, pipeline=PIPELINE[:-1]),
            pipeline=[dict(type='Mosaic', img_scale=(64, 64), prob=1.0), PIPELINE[-1]],
        )
    )
    assert mixed[0]['inputs'].shape == (3, 128, 128)


def test_views_of_whole_images(inner):
    dataset = ChipDataset(
        inner, PIPELINE, levels=[1.0, 0.5], valid_ranges=[(-1, 40), (30, -1)], test_mode=True
    )
    assert len(dataset) == 6
    assert dataset.view_starts.tolist() == [0, 2, 4, 6]
    for index in range(6):
        info = dataset.get_data_info(index)
        height, width = SIZES[index // 2]
        assert info['chip'].tolist() == [0, 0, width, height]
        assert (info['view'], info['num_views']) == (index % 2, 2)
        factor = [1.0, 0.5][index % 2]
        assert dataset[index]['inputs'].shape[1:] == (height * factor, width * factor)
    dataset.set_epoch(3)
    assert len(dataset.table) == 6, 'views do not depend on the epoch'


def test_lazy_init_and_default_levels(inner):
    dataset = ChipDataset(dict(inner, lazy_init=True), PIPELINE, lazy_init=True)
    assert not dataset.dataset._fully_initialized
    assert len(dataset) == len(dataset.table)
    assert dataset.pyramid.levels == ((1400, 2000), (800, 1280), (-1, 512))
    test = ChipDataset(inner, PIPELINE, test_mode=True)
    assert test.pyramid.levels[-1] == (480, 512)


def test_unusable_boxes_are_dropped_and_counted(tmp_path, caplog):
    nan = float('nan')
    boxes = [
        [
            (10, 10, 30, 30),
            (nan, 10, 20, 20),
            (10, 10, 0, 20),
            (10, 10, -5, 20),
            (500, 500, 20, 20),
            (50, 50, 30, 30),
        ]
    ]
    inner = write_coco(tmp_path, [(100, 100)], boxes)
    dataset, log = log_of(caplog, lambda: ChipDataset(inner, PIPELINE, **LEVELS))
    assert 'dropped 4 boxes: 4 not finite, below 1 px or outside the image' in log
    for index in range(len(dataset)):
        sample = dataset[index]['data_samples']
        for instances in (sample.gt_instances, sample.ignored_instances):
            assert np.isfinite(instances.bboxes.tensor.numpy()).all()
    labels = {
        i['bbox_label'] for k in range(len(dataset)) for i in dataset.get_data_info(k)['instances']
    }
    assert labels == {0, 1}


def test_images_without_boxes_are_counted(inner, caplog):
    dataset, log = log_of(caplog, lambda: ChipDataset(inner, PIPELINE, **LEVELS))
    assert '1 images have no chip and are dropped, 1 of them for want of any box' in log
    assert 2 not in dataset.table.image


def test_nothing_valid_is_an_error(inner):
    with pytest.raises(InputError, match='none of the 3 images has a box in a valid range'):
        ChipDataset(inner, PIPELINE, levels=[1.0], valid_ranges=[(5000, -1)])


@pytest.mark.parametrize('keep_empty', [True, False])
@pytest.mark.parametrize('classes', [('other',), ('a', 'bee')])
def test_classes_that_the_annotations_lack_are_named(inner, keep_empty, classes):
    inner = dict(inner, metainfo=dict(classes=classes))
    inner['filter_cfg'] = dict(filter_empty_gt=not keep_empty)
    with pytest.raises(InputError, match=f"class '{classes[-1]}' .*annotations.json: a, b"):
        ChipDataset(inner, PIPELINE, **LEVELS)


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(levels=[1.0, 0.5], valid_ranges=[(-1, -1)]), 'valid_ranges'),
        (dict(levels=[0.5, 1.0]), 'fine to coarse'),
        (dict(valid_ranges=[(40, 10), (30, -1)]), 'valid_ranges'),
        (dict(levels=['a', 0.5]), 'levels'),
        (dict(valid_ranges=[(-1, 40), 7]), 'valid_ranges'),
        (dict(levels=None), 'both levels and valid_ranges'),
        (dict(chip_size=0), 'chip_size of ChipDataset must be positive, but is 0'),
        (dict(stride=-32), 'stride of ChipDataset must be positive, but is -32'),
    ],
)
def test_bad_settings_are_named(inner, change, message):
    with pytest.raises(InputError, match=message):
        ChipDataset(inner, PIPELINE, **{**LEVELS, **change})


def test_bad_annotation_files_are_named(inner, tmp_path):
    path = tmp_path / 'annotations.json'
    content = json.loads(path.read_text())

    def message():
        with pytest.raises(InputError) as caught:
            DATASETS.build(dict(type='ChipDataset', dataset=inner, pipeline=PIPELINE, **LEVELS))
        return str(caught.value)

    path.write_text(json.dumps({**content, 'images': []}))
    assert f'{path} lists no images' in message()
    path.write_text(json.dumps({**content, 'annotations': []}))
    assert f'{path} lists no annotations' in message()
    del content['annotations']
    path.write_text(json.dumps(content))
    assert f"{path} has no 'annotations'" in message()
    path.write_text('{"images": [')
    assert f'{path} is not valid JSON' in message()
    path.write_text('')
    assert f'{path} is empty' in message()
    path.unlink()
    assert f'{path} does not exist' in message()
    nested = dict(type='RepeatDataset', times=2, dataset=inner)
    with pytest.raises(InputError, match='does not exist'):
        ChipDataset(nested, PIPELINE, **LEVELS)


def test_an_image_without_annotated_size_is_named(inner, tmp_path):
    dataset = DATASETS.build(dict(inner, serialize_data=False))
    for info in dataset.data_list:
        info['width'] = None
    with pytest.raises(InputError, match=r"0\.png has no 'height' and 'width'"):
        ChipDataset(dataset, PIPELINE, **LEVELS)


def test_a_pipeline_inside_is_an_error(inner):
    with pytest.raises(InputError, match='CocoDataset inside ChipDataset has a pipeline'):
        ChipDataset(dict(inner, pipeline=PIPELINE), PIPELINE, **LEVELS)
    repeated = dict(type='RepeatDataset', times=2, dataset=dict(inner, pipeline=PIPELINE))
    with pytest.raises(InputError, match='CocoDataset inside ChipDataset has a pipeline'):
        ChipDataset(repeated, PIPELINE, **LEVELS)


def test_broken_images(inner, tmp_path, caplog):
    pipeline = [dict(type='LoadIntactImage'), *PIPELINE[1:]]
    dataset = ChipDataset(inner, pipeline, **LEVELS)
    index = int(np.flatnonzero(dataset.table.image == 0)[0])
    content = (tmp_path / '0.png').read_bytes()
    (tmp_path / '0.png').write_bytes(content[:500])
    with pytest.raises(BrokenImageError, match='0.png is cut short'):
        dataset[index]
    (tmp_path / '0.png').unlink()
    with pytest.raises(BrokenImageError, match='0.png does not exist; check'):
        dataset[index]
    skipping = ChipDataset(inner, pipeline, skip_broken_images=True, **LEVELS)
    item, log = log_of(caplog, lambda: skipping[index])
    assert item['data_samples'].img_id == 2
    assert '0.png does not exist' in log
    assert skipping.num_broken_images_skipped == (skipping.table.image[index:] == 0).sum()
    (tmp_path / '1.png').unlink()
    with pytest.raises(InputError, match='gave nothing for item'):
        skipping[index]
    # Leaving an image out of a test would be a wrong result.
    testing = ChipDataset(
        inner,
        pipeline,
        levels=[1.0],
        valid_ranges=[(-1, -1)],
        test_mode=True,
        skip_broken_images=True,
    )
    with pytest.raises(BrokenImageError):
        testing[0]


def test_wrong_size_in_the_annotation_is_named(tmp_path):
    inner = write_coco(tmp_path, [(100, 80)], [[(10, 10, 30, 30)]])
    path = tmp_path / 'annotations.json'
    path.write_text(
        path.read_text().replace('"height": 100, "width": 80', '"height": 80, "width": 100')
    )
    with pytest.raises(
        InputError, match=r'0\.png is 80x100 pixels, but .* 100x80: it may carry an EXIF'
    ):
        ChipDataset(inner, PIPELINE, **LEVELS)[0]
