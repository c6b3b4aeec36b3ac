"""PointRend and YOLACT on batches that show no object, which MMDetection's own do not stand."""

import numpy as np
import pytest
import torch
from learning import learn
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.structures import InstanceData
from zoo_configs import zoo_config

from mmsniper.conversion import Changes
from mmsniper.conversion.detector import allow_few_objects
from mmsniper.experiments.zoo.shrink import shrink

SIDE = 128
POINT_REND = 'point_rend/point-rend_r50-caffe_fpn_ms-1x_coco.py'
YOLACT = 'yolact/yolact_r50_1xb8-55e_coco.py'
OBJECT = [20.0, 30, 90, 80]


def built(name, for_chips):
    config = Config(dict(model=shrink(zoo_config(name).model, SIDE))).model
    if for_chips:
        allow_few_objects(config, changes := Changes())
        assert len(changes.changed) == 1 and 'with the same parameters' in changes.changed[0]
    config.data_preprocessor.pop('batch_augments', None)
    torch.manual_seed(0)
    model = MODELS.build(config)
    model.init_weights()
    return model.train()


def losses(model, *boxes):
    """Of a batch with an image for each list of boxes, and the gradients of all weights."""
    chips, random = [], torch.Generator().manual_seed(0)
    for found in boxes:
        sample = DetDataSample(metainfo=dict(img_shape=(SIDE, SIDE), ori_shape=(SIDE, SIDE)))
        sample.set_metainfo(dict(scale_factor=(1.0, 1.0), pad_shape=(SIDE, SIDE)))
        masks = np.zeros((len(found), SIDE, SIDE), np.uint8)
        for mask, (x1, y1, x2, y2) in zip(masks, np.array(found, int).reshape(-1, 4)):
            mask[y1:y2, x1:x2] = 1
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor(found).reshape(-1, 4),
            labels=torch.zeros(len(found), dtype=torch.long),
            masks=BitmapMasks(masks, SIDE, SIDE),
        )
        sample.ignored_instances = InstanceData(
            bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long)
        )
        pixels = torch.randint(0, 256, (3, SIDE, SIDE), generator=random)
        chips.append(dict(inputs=pixels, data_samples=sample))
    return learn(model, chips)


@pytest.mark.parametrize('name', [POINT_REND, YOLACT])
def test_with_objects_nothing_changes(name):
    plain, on_chips = built(name, False), built(name, True)
    on_chips.load_state_dict(plain.state_dict())
    batch = [OBJECT], [OBJECT, [60.0, 5, 120, 70]]
    values, gradients = losses(plain, *batch)
    same_values, same_gradients = losses(on_chips, *batch)
    assert same_values == values
    for key, gradient in gradients.items():
        same = same_gradients[key]
        assert same is gradient is None or torch.equal(same, gradient), key


def test_point_rend_without_objects():
    with pytest.raises((RuntimeError, IndexError, ValueError, AssertionError)):
        losses(built(POINT_REND, False), [], [])  # or there is no need for a head of our own
    model = built(POINT_REND, True)
    values, gradients = losses(model, [], [])
    assert values['loss_point'] == 0
    weights = dict(model.roi_head.point_head.named_parameters(prefix='roi_head.point_head'))
    assert weights and all(not gradients[key].any() for key in weights)
    assert all(torch.isfinite(value) for value in values.values())


def test_yolact_learns_a_little_from_an_image_without_objects():
    plain, _ = losses(built(YOLACT, False), [], [OBJECT])
    values, gradients = losses(built(YOLACT, True), [], [OBJECT])
    alone, _ = losses(built(YOLACT, True), [OBJECT])
    assert plain['loss_cls'] > 20 * alone['loss_cls'], 'or there is no need for a head of our own'
    assert 0 < values['loss_cls'] < 2 * alone['loss_cls']
    assert gradients['bbox_head.conv_cls.weight'].any()
    _, gradients = losses(built(YOLACT, True), [], [])
    assert gradients['bbox_head.conv_cls.weight'].any()
