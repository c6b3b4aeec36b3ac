"""A config of the zoo put on data of one's own."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from coco_files import write_coco
from mmdet.registry import DATASETS, METRICS, MODELS, PARAM_SCHEDULERS
from source_configs import BASE, source_config

from mmsniper import InputError, zoo_config
from mmsniper.conversion import Changes, OwnData, Recipe, Training, convert
from mmsniper.conversion.own_data import set_num_classes
from mmsniper.datasets.nesting import find_chip_dataset
from mmsniper.experiments.zoo.shrink import shrink

SIZES = [(160, 200), (150, 150), (128, 180)]
BOXES = [[(10, 10, 30, 30), (80, 60, 70, 70)], [(20, 60, 25, 20)], []]
YOLOX = 'mmdet::yolox/yolox_s_8xb8-300e_coco.py'
RECIPE = Recipe([1.0, 0.5], [(-1, 60), (40, -1)], chip_size=96)


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('train', 'val'):
        Path(name).mkdir()
        write_coco(Path(name), SIZES, BOXES)
    return OwnData('train/annotations.json', 'train', 'val/annotations.json', 'val')


def test_data_and_classes_are_those_given(data):
    config, changes = convert(BASE, RECIPE, data=data)
    parts = {part: find_chip_dataset(config, f'{part}_dataloader') for part in ('train', 'val')}
    for part, chips in parts.items():
        dataset = DATASETS.build(chips)
        assert dataset.metainfo['classes'] == ('a', 'b')
        assert dataset.num_images == len(SIZES), 'those without objects are kept'
        assert dataset.get_data_info(0)['img_path'] == f'{part}/0.png'
    assert config.test_dataloader == config.val_dataloader
    assert METRICS.build(config.val_evaluator).metrics == ['bbox']
    assert config.val_evaluator.ann_file == 'val/annotations.json'
    assert config.model.bbox_head.num_classes == 2
    assert 'changed: model: num_classes 80 to 2' in str(changes)
    assert 'chips per image, counted' in str(changes)
    # Flips and what else the source does to images are still there.
    assert 'RandomFlip' in [step['type'] for step in parts['train'].pipeline]


def test_some_of_the_classes(data):
    wanted = OwnData(data.annotations, data.images, classes=('b',))
    config, _ = convert(BASE, RECIPE, data=wanted)
    dataset = DATASETS.build(find_chip_dataset(config, 'train_dataloader'))
    assert dataset.metainfo['classes'] == ('b',)
    assert config.model.bbox_head.num_classes == 1
    labels = [i['bbox_label'] for k in range(2) for i in dataset.get_data_info(k)['instances']]
    assert set(labels) == {0}


def test_without_validation_data_a_note_says_so(data):
    config, changes = convert(BASE, RECIPE, data=OwnData(data.annotations, data.images))
    assert config.val_evaluator.ann_file == data.annotations
    assert any('no --val' in note for note in changes.notes)


def test_levels_are_those_that_are_proposed(data):
    config, changes = convert(BASE, data=data)
    recipe = Recipe.from_config(config)
    assert recipe != Recipe()
    (line,) = [line for line in changes.changed if line.startswith('levels: ')]
    assert str(list(recipe.levels)) in line and 'as analyze_scales proposes' in line


def test_what_mixed_or_repeated_images_still_does(data):
    config, _ = convert(YOLOX, RECIPE, data=data)
    assert find_chip_dataset(config, 'train_dataloader')['dataset']['ann_file'] == data.annotations
    source = source_config(
        'images = _base_.train_dataloader.dataset\n'
        'train_dataloader = dict(dataset=dict(_delete_=True, type="RepeatDataset", times=3, '
        'dataset=dict(type="ClassBalancedDataset", oversample_thr=0.1, dataset=images)))'
    )
    once, _ = convert(BASE, RECIPE, data=data)
    thrice, changes = convert(source, RECIPE, data=data)
    ratio = thrice.train_cfg.max_epochs / once.train_cfg.max_epochs
    assert ratio == pytest.approx(3, rel=0.02)
    assert any('ClassBalancedDataset taken away' in line for line in changes.changed)


def test_training_as_given(data, tmp_path):
    (tmp_path / 'start.pth').write_bytes(b'')
    training = Training(batch_size=2, epochs=4, load_from='start.pth')
    config, changes = convert(BASE, RECIPE, data=data, training=training)
    assert config.train_dataloader.batch_size == 2
    assert config.train_cfg.max_epochs == 4
    warm_up, steps = config.param_scheduler
    assert steps.milestones == [3, 3], 'of 8 and 11 in 12 epochs'
    chips = len(DATASETS.build(find_chip_dataset(config, 'train_dataloader')))
    assert 2 <= warm_up.end <= max(2, 0.1 * 4 * -(-chips // 2) + 1), 'a tenth at most'
    assert config.auto_scale_lr.enable and config.auto_scale_lr.base_batch_size > 16
    assert config.load_from == 'start.pth'
    assert config.model.backbone.init_cfg is None
    for what in ('epochs to 4, as given', 'to 2 chips, as given', 'warm-up: ', 'load_from: '):
        assert any(what in line for line in changes.changed)


def test_warm_up_by_epochs_takes_a_tenth_too(data):
    training = Training(batch_size=1, epochs=5)
    config, _ = convert(YOLOX, RECIPE, data=data, training=training)
    warm_up, cosine, _ = config.param_scheduler
    chips = len(DATASETS.build(find_chip_dataset(config, 'train_dataloader')))
    assert warm_up.type == 'mmdet.QuadraticWarmupLR' and not warm_up.by_epoch
    assert warm_up.end == 2 == 5 * chips // 10, 'one of five epochs otherwise'
    assert cosine.by_epoch and cosine.begin == 1
    assert max(rates(config, 1.0, chips)) == pytest.approx(1)


def rates(config, rate, epoch_length):
    """The learning rate of each step."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)
    schedulers = [
        PARAM_SCHEDULERS.build(
            dict(each), default_args=dict(optimizer=optimizer, epoch_length=epoch_length)
        )
        for each in config.param_scheduler
    ]
    found = []
    for step in range(config.train_cfg.max_epochs * epoch_length):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            if not scheduler.by_epoch or (step + 1) % epoch_length == 0:
                scheduler.step()
    return found


def test_fine_tuning(data, tmp_path):
    (tmp_path / 'start.pth').write_bytes(b'')
    few = Training(epochs=3, load_from='start.pth')
    _, changes = convert(YOLOX, RECIPE, data=data, training=few)
    assert any('steps are few' in line and '--fine-tune' in line for line in changes.notes)
    config, changes = convert(
        YOLOX, RECIPE, data=data, training=dataclasses.replace(few, fine_tune=0.001)
    )
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr) == ('AdamW', 0.001) and 'momentum' not in optimizer
    assert 'paramwise_cfg' in config.optim_wrapper, 'all else of the source stays'
    warm_up, cosine = config.param_scheduler
    assert warm_up.type == 'LinearLR' and warm_up.end < 500, 'a tenth of a short training'
    assert (cosine.T_max, cosine.end) == (3, 3)
    for epoch_length in (1, 10):
        found = rates(config, 0.001, epoch_length)
        assert max(found) > 0.0005 and found[0] < 0.0001 and found[-1] < max(found), 'up and down'
    assert not config.auto_scale_lr.enable, 'the rate is the one that was given'
    assert any('fine-tuning' in line for line in changes.changed)
    assert not any('steps are few' in line for line in changes.notes)
    MODELS.build(config.model)


def test_fine_tuning_by_iterations():
    source = 'mmdet::faster_rcnn/faster-rcnn_r50-caffe_fpn_90k_coco.py'
    config, _ = convert(source, training=Training(fine_tune=0.0002))
    warm_up, cosine = config.param_scheduler
    assert warm_up.end == 500
    assert (cosine.T_max, cosine.by_epoch) == (90000, False)


def test_long_trainings_keep_their_warm_up():
    config, changes = convert(BASE, training=Training(epochs=12))
    assert config.param_scheduler[0].end == 500, 'without data nobody knows how long they are'
    assert not any('warm-up' in line for line in changes.changed)


# Heads of one stage, of two, of three, of queries, with masks, with weights for classes.
@pytest.mark.parametrize(
    'name',
    [
        'atss/atss_r50_fpn_1x_coco.py',
        'rtmdet/rtmdet_s_8xb32-300e_coco.py',
        'cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py',
        'htc/htc_r50_fpn_1x_coco.py',
        'solov2/solov2_r50_fpn_1x_coco.py',
        'deformable_detr/deformable-detr_r50_16xb2-50e_coco.py',
        'mask2former/mask2former_r50_8xb2-lsj-50e_coco.py',
        'sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco.py',
    ],
)
def test_number_of_classes_of_any_head(name):
    model = shrink(zoo_config(name).model, 128)
    set_num_classes(model, 3, changes := Changes())
    text = str(model)
    assert changes.changed == ['model: num_classes 80 to 3']
    assert "'num_classes': 3" in text or "'num_things_classes': 3" in text
    assert "'num_classes': 80" not in text and "'num_things_classes': 80" not in text
    if 'htc' in name:
        assert "'num_classes': 183" in text, 'of another kind of class'
    MODELS.build(model)


@pytest.mark.parametrize(
    ('given', 'told'),
    [
        (dict(annotations='gone.json'), 'annotation file gone.json does not exist'),
        (dict(images='gone'), 'folder gone of pictures does not exist'),
        (dict(classes=('c',)), 'has no category c, but a, b'),
        (dict(annotations='empty.json'), 'has no categories'),
        (dict(annotations='list.json'), 'has no categories'),
    ],
)
def test_bad_data(given, told, data):
    Path('empty.json').write_text(json.dumps(dict(images=[], annotations=[])))
    Path('list.json').write_text('[]')
    with pytest.raises(InputError, match=told):
        convert(BASE, RECIPE, data=OwnData(**{**vars(data), **given}))


@pytest.mark.parametrize(
    ('source', 'training', 'told'),
    [
        (BASE, dict(load_from='gone.pth'), 'checkpoint gone.pth does not exist'),
        (
            'mmdet::faster_rcnn/faster-rcnn_r50-caffe_fpn_90k_coco.py',
            dict(epochs=3),
            'trains by iterations',
        ),
        (
            'mmsniper::sniper/retinanet_r50_fpn_sniper-7e_coco.py',
            dict(epochs=3),
            'trains on chips already',
        ),
    ],
)
def test_bad_training(source, training, told):
    with pytest.raises(InputError, match=told):
        convert(source, training=Training(**training))
