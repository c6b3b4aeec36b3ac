"""Mask detectors: training on chips, testing on the pyramid, merged masks."""

import copy
import json
import pickle

import cv2
import numpy as np
import pycocotools.mask as mask_util
import pytest
import torch
from mask_detectors import mask_detector
from mmdet.registry import DATASETS, MODELS
from mmdet.structures.mask import PolygonMasks
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner

NAMES = ['mask-rcnn', 'condinst']


@pytest.fixture(params=NAMES)
def config(request, tmp_path):
    return mask_detector(request.param, tmp_path)


def build(config):
    """The training data, and the model, the same at each call."""
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    return DATASETS.build(config.train_dataloader.dataset), model.train()


def losses_of(model, chips):
    """The losses of a batch of chips, by name, with the same chance at each call."""
    torch.manual_seed(1)
    data = model.data_preprocessor(copy.deepcopy(pseudo_collate(chips)), training=True)
    losses = model.loss(data['inputs'], data['data_samples'])
    return {
        name: sum(value) if isinstance(value, list) else value
        for name, value in losses.items()
        if 'loss' in name
    }


def test_gradients_reach_every_parameter(config):
    dataset, model = build(config)
    chips = [dataset[index] for index in range(0, len(dataset), 2)]
    assert sum(len(chip['data_samples'].gt_instances) for chip in chips) > 10
    losses = losses_of(model, chips)
    assert all(torch.isfinite(value).all() for value in losses.values())
    assert losses['loss_mask'] > 0
    sum(value.sum() for value in losses.values()).backward()
    for name, parameter in model.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
    for part in ('backbone.layer1', 'neck', 'bbox_head', 'mask_head'):
        gradients = [p.grad.abs().sum() for n, p in model.named_parameters() if part in n]
        assert sum(gradients) > 0, part
    assert all(gradients), 'the mask head as a whole'


def test_ignored_masks_move_nothing(config):
    dataset, model = build(config)
    chips = [dataset[index] for index in range(8)]
    ignored = [chip['data_samples'].ignored_instances for chip in chips]
    assert sum(map(len, ignored)) > 3, 'there are objects out of range'
    before = losses_of(model, chips)
    for each in ignored:
        height, width = each.masks.height, each.masks.width
        everything = np.array([0, 0, width, 0, width, height, 0, height], float)
        each.masks = PolygonMasks([[everything]] * len(each), height, width)
        each.labels = 1 - each.labels
    assert losses_of(model, chips) == before

    # A chip with ignored objects alone teaches no mask.
    for chip in chips:
        sample = chip['data_samples']
        sample.gt_instances = sample.gt_instances[:0]
    losses = losses_of(model, chips)
    assert all(torch.isfinite(value).all() for value in losses.values())
    assert losses['loss_mask'] == 0


def test_erased_objects_move_nothing(tmp_path):
    config = mask_detector('condinst', tmp_path)
    ignoring = DATASETS.build(copy.deepcopy(config.train_dataloader.dataset))
    config.train_dataloader.dataset.pipeline[3].mode = 'erase'
    dataset, model = build(config)
    chips, erased = [], 0
    for index in range(6):
        np.random.seed(index)
        chips.append(dataset[index])
        np.random.seed(index)
        whole = ignoring[index]
        sample, reference = chips[-1]['data_samples'], whole['data_samples']
        assert len(sample.ignored_instances) == 0
        assert torch.equal(sample.gt_instances.bboxes.tensor, reference.gt_instances.bboxes.tensor)
        assert len(sample.gt_instances.masks) == len(sample.gt_instances)
        if len(reference.ignored_instances):
            erased += not torch.equal(chips[-1]['inputs'], whole['inputs'])
    assert erased, 'there are objects out of range'
    for chip in chips:
        sample = chip['data_samples']
        sample.gt_instances = sample.gt_instances[:0]
    losses = losses_of(model, chips)
    assert all(torch.isfinite(value).all() for value in losses.values())
    assert losses['loss_mask'] == 0


def annotate_with_rle(folder):
    """Write the objects' masks as RLE instead of polygons, every other one compressed."""
    path = folder / 'annotations.json'
    data = json.loads(path.read_text())
    sizes = {image['id']: (image['height'], image['width']) for image in data['images']}
    for number, annotation in enumerate(data['annotations']):
        if isinstance(annotation['segmentation'], list):
            height, width = sizes[annotation['image_id']]
            rle = mask_util.frPyObjects(annotation['segmentation'], height, width)
            rle = mask_util.merge(rle)
            pixels = mask_util.decode(rle).ravel(order='F')
            borders = np.flatnonzero(np.diff(pixels, prepend=0)).tolist()
            counts = np.diff([0, *borders, len(pixels)]).tolist()
            counts = counts if number % 2 else rle['counts'].decode()
            annotation['segmentation'] = dict(size=[height, width], counts=counts)
    path.write_text(json.dumps(data))


@pytest.mark.parametrize('poly2mask', [True, False])
def test_rle_teaches_what_polygons_teach(config, tmp_path, poly2mask):
    losses, counts = [], []
    for annotate in (None, annotate_with_rle):
        if annotate:
            annotate(tmp_path)
        config.train_dataloader.dataset.pipeline[1].poly2mask = poly2mask
        dataset, model = build(config)
        np.random.seed(0)
        chips = [dataset[index] for index in range(8)]
        counts.append([len(chip['data_samples'].gt_instances) for chip in chips])
        losses.append(losses_of(model, chips))
    polygons, rle = losses
    assert counts[0] == counts[1] and sum(counts[0]) > 10
    # What is learnt at 28x28 is rounded in another way for polygons.
    tolerance = 0 if poly2mask else 0.02
    assert {name: float(value.detach()) for name, value in rle.items()} == pytest.approx(
        {name: float(value.detach()) for name, value in polygons.items()}, rel=tolerance
    )
    assert rle['loss_mask'] > 0


# A U of 80x80 px in an image of 96x96: cut in two arms, nothing but the gap between them, all.
CUTS = {'arms': (0, 0, 96, 60), 'gap': (32, 8, 64, 66), 'whole': (0, 0, 96, 96)}


def test_cut_polygons(config, tmp_path):
    u = [8, 8, 28, 8, 28, 68, 68, 68, 68, 8, 88, 8, 88, 88, 8, 88]
    triangle = [30, 20, 50, 40, 30, 40]
    dataset, model = build(config)
    chips = {}
    for name, chip in CUTS.items():
        results = dict(
            img_path=str(tmp_path / 'u.png'),
            height=96,
            width=96,
            img_id=1,
            instances=[
                dict(bbox=[8, 8, 88, 88], bbox_label=0, mask=[u], ignore_flag=0),
                dict(bbox=[30, 20, 50, 40], bbox_label=1, mask=[triangle], ignore_flag=0),
            ],
            chip=np.array(chip, np.float32),
            chip_level=0,
            chip_scale=1.0,
            valid_range=(-1, -1),
        )
        cv2.imwrite(results['img_path'], np.zeros((96, 96, 3), np.uint8))
        for step in dataset.pipeline.transforms:
            if type(step).__name__ == 'ChipSample':
                step.min_visible = 0.2
        chips[name] = dataset.pipeline(results)
    truth = {name: chip['data_samples'].gt_instances for name, chip in chips.items()}
    assert [len(each) for each in truth.values()] == [2, 1, 2], 'the gap has none of the U'
    assert [len(truth[name].masks.masks[0]) for name in ('arms', 'whole')] == [2, 1]
    assert truth['arms'].masks.areas[0] == 2 * 20 * 52
    losses = losses_of(model, list(chips.values()))
    assert all(torch.isfinite(value).all() for value in losses.values())
    assert losses['loss_mask'] > 0


def results_of(config, name, **changes):
    """Metrics and detections of a test."""
    path = f'{config.work_dir}/{name}.pkl'
    evaluators = [dict(config.test_evaluator), dict(type='DumpDetResults', out_file_path=path)]
    config = Config(config.to_dict() | dict(test_evaluator=evaluators, **changes))
    config.work_dir = f'{config.work_dir}/{name}'
    torch.manual_seed(0)
    runner = Runner.from_cfg(config)
    metrics = runner.test()
    with open(path, 'rb') as file:
        return metrics, pickle.load(file)


@pytest.mark.parametrize('name', NAMES)
def test_training_then_the_pyramid_with_tiles(name, tmp_path):
    config = mask_detector(name, tmp_path, num_images=3)
    for loader in (config.val_dataloader, config.test_dataloader):
        loader.dataset.update(tile_size=110)
    config.custom_hooks[1].update(max_per_image=20)
    Runner.from_cfg(config).train()
    config.load_from = f'{config.work_dir}/epoch_1.pth'
    metrics, images = results_of(config, 'pyramid')
    assert {'coco/bbox_mAP', 'coco/segm_mAP'} <= set(metrics)
    assert len(images) == 3
    num_masks = 0
    for image in images:
        masks = image['pred_instances']['masks']
        assert len(masks) == len(image['pred_instances']['scores']) <= 20
        assert all(mask['size'] == list(image['ori_shape']) for mask in masks)
        num_masks += len(masks)
    assert num_masks > 20


@pytest.mark.slow
def test_pictures_of_tiles_and_merged_images(tmp_path):
    config = mask_detector('mask-rcnn', tmp_path, num_images=2)
    config.test_dataloader.dataset.update(tile_size=110)
    config.default_hooks.visualization.update(draw=True, test_out_dir='shown', score_thr=0.0)
    results_of(config, 'shown')
    pictures = sorted((tmp_path / 'work').glob('shown/*/shown/*.png'))
    assert [picture.name for picture in pictures] == ['0.png', '1.png']
    for picture in pictures:
        drawn, image = cv2.imread(str(picture)), cv2.imread(str(tmp_path / picture.name))
        # Truth on the left, detections on the right.
        assert drawn.shape == (image.shape[0], 2 * image.shape[1], 3)


@pytest.mark.parametrize('name', NAMES)
def test_one_whole_level_with_an_open_range_is_a_plain_test(name, tmp_path):
    config = mask_detector(name, tmp_path)
    config.test_dataloader.dataset.update(levels=[(120, 180)], valid_ranges=[(-1, -1)])
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    if name == 'condinst':  # else masks are as good as empty
        model.bbox_head.controller.weight.data *= 100
    torch.save(model.state_dict(), tmp_path / 'weights.pth')
    config.load_from = str(tmp_path / 'weights.pth')
    merged, images = results_of(config, 'merged')

    plain = Config(config.to_dict())
    plain.custom_hooks = []
    head = plain.model.get('mask_head') or plain.model.roi_head.mask_head
    assert head.type.startswith('RLE')
    head.type = head.type[3:]  # MMDetection's own
    plain.test_dataloader.sampler = dict(type='DefaultSampler', shuffle=False)
    plain.test_dataloader.dataset = dict(
        config.test_dataloader.dataset.dataset,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(180, 120), keep_ratio=True),
            dict(
                type='PackDetInputs',
                meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
            ),
        ],
    )
    expected, plain_images = results_of(plain, 'plain')
    assert merged == pytest.approx(expected, abs=1e-6)
    assert {'coco/segm_mAP'} <= set(merged)
    num_masks = 0
    for one, other in zip(images, plain_images):
        assert one['img_id'] == other['img_id']
        one, other = one['pred_instances'], other['pred_instances']
        for key in ('bboxes', 'scores', 'labels'):
            assert torch.equal(one[key], other[key])
        assert one['masks'] == other['masks']
        num_masks += sum(len(mask['counts']) > 5 for mask in one['masks'])
    assert len(images) == len(plain_images) == 5
    assert num_masks > 20
