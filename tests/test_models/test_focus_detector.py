"""Detectors with a focus head: what they are without it stays, to the last digit."""

import copy

import numpy as np
import pytest
import torch
from mmdet.models.detectors import ATSS
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.structures import InstanceData
from zoo_configs import zoo_config

from mmsniper import config_path
from mmsniper.conversion.ignoring import apply_ignoring
from mmsniper.errors import InputError
from mmsniper.experiments.zoo.ignore_scene import IgnoreScene
from mmsniper.experiments.zoo.shrink import shrink

SIDE = 128
HEAD = dict(type='FocusHead', feat_channels=16)
ATSS_CONFIG = 'atss/atss_r50_fpn_1x_coco.py'
# A detector of each family, the map of its neck that has stride 8, and its channels.
FAMILIES = {
    ATSS_CONFIG: (0, 256),
    'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py': (1, 256),
    'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py': (1, 256),
    'yolox/yolox_s_8xb8-300e_coco.py': (0, 128),
    'rtmdet/rtmdet_s_8xb32-300e_coco.py': (0, 128),
    'dino/dino-4scale_r50_8xb2-12e_coco.py': (0, 256),
}


def config_of(name):
    config = shrink(zoo_config(name).model, SIDE)
    config.data_preprocessor.pop('batch_augments', None)
    if 'data_preprocessor' in config:
        config.data_preprocessor.pad_mask = False
    return apply_ignoring(config)


def with_head(config, name=ATSS_CONFIG, **settings):
    feature, channels = FAMILIES[name]
    head = dict(HEAD, feature=feature, in_channels=channels)
    given = {key: value for key, value in config.items() if key != 'type'}
    made = dict(type='FocusDetector', detector=config['type'], focus_head=head)
    return {**made, **given, **settings}


def built(config):
    torch.manual_seed(1)
    model = MODELS.build(copy.deepcopy(config))
    model.init_weights()
    return model


def batch_of(model, training):
    chips = [IgnoreScene(SIDE, seed).chip('ignore', (0, 0), model.with_mask) for seed in range(2)]
    data = dict(
        inputs=[chip['inputs'] for chip in chips],
        data_samples=[chip['data_samples'] for chip in chips],
    )
    return model.data_preprocessor(data, training=training)


def losses_of(model):
    torch.manual_seed(1)
    return model.train()(**batch_of(model, True), mode='loss')


def detected(model):
    with torch.no_grad():
        return model.eval()(**batch_of(model, False), mode='predict')


@pytest.mark.parametrize('name', FAMILIES)
def test_the_detector_stays_what_it_is(name):
    config = config_of(name)
    plain, focus = built(config), built(with_head(config, name))
    assert isinstance(focus, type(plain))
    weights, more = plain.state_dict(), focus.state_dict()
    assert {key for key in more if key not in weights} == {
        f'focus_head.{key}' for key in focus.focus_head.state_dict()
    }
    for key, value in weights.items():
        assert torch.equal(value, more[key]), key

    for without, found in zip(detected(plain), detected(focus)):
        without, fields = without.pred_instances, found.pred_instances
        assert without.keys() == fields.keys()
        for key in without.keys():
            assert np.array_equal(np.asarray(without[key]), np.asarray(fields[key])), key
        assert found.focus_stride == 8
        assert found.focus_map.data.shape == (1, SIDE // 8, SIDE // 8)
        assert 0 < found.focus_map.data.min() <= found.focus_map.data.max() < 1

    before, after = losses_of(plain), losses_of(focus)
    assert set(after) - set(before) == {'loss_focus'}
    assert (
        plain.parse_losses(before)[1].items()
        <= {
            **focus.parse_losses(after)[1],
            'loss': plain.parse_losses(before)[1]['loss'],
        }.items()
    )
    # The detector's features are learnt for the map as well, and several processes wait for no
    # gradient that does not come.
    after['loss_focus'].backward(retain_graph=True)
    assert any(weight.grad is not None for weight in focus.backbone.parameters())
    focus.zero_grad(set_to_none=True)
    plain.parse_losses(before)[0].backward()
    focus.parse_losses(after)[0].backward()
    unused = {key for key, weight in plain.named_parameters() if weight.grad is None}
    assert {key for key, weight in focus.named_parameters() if weight.grad is None} <= unused


@pytest.mark.parametrize('name', [ATSS_CONFIG, 'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'])
def test_the_head_alone(name):
    model = built(with_head(config_of(name), name, freeze_detector=True))
    before = copy.deepcopy(model.state_dict())
    found = detected(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
    data = batch_of(model, True)
    model.train()
    for _ in range(2):
        losses = model(**data, mode='loss')
        assert set(losses) == {'loss_focus'}
        losses['loss_focus'].backward()
        assert all(weight.grad is not None for weight in model.focus_head.parameters())
        optimizer.zero_grad()
        model.train_step(data, OptimWrapper(optimizer))
    learnt = {key for key, weight in model.named_parameters() if weight.requires_grad}
    assert learnt == {f'focus_head.{key}' for key in dict(model.focus_head.named_parameters())}
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]) == (key not in learnt), key
    assert model.focus_head.training
    assert not any(module.training for module in model.backbone.modules())
    for one, other in zip(found, detected(model)):
        assert torch.equal(one.pred_instances.scores, other.pred_instances.scores)
    assert not any(module.training for module in model.modules())


@pytest.fixture
def process_group(tmp_path):
    """Of one process, which complains of unused weights as well."""
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize('freeze', [False, True])
def test_several_processes_wait_for_no_gradient(process_group, freeze):
    model = built(with_head(config_of(ATSS_CONFIG), freeze_detector=freeze)).train()
    wrapped = MMDistributedDataParallel(model, broadcast_buffers=False)
    assert not wrapped.find_unused_parameters
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.001))
    for _ in range(2):  # the second step finds out
        losses = wrapped.train_step(batch_of(model, True), optimizer)
        assert losses['loss_focus'].isfinite()


def test_features_are_extracted_once_and_not_kept():
    model = built(with_head(config_of(ATSS_CONFIG)))
    calls = []
    model.backbone.register_forward_hook(lambda *_: calls.append(1))
    losses_of(model)
    detected(model)
    assert len(calls) == 2
    model(batch_of(model, False)['inputs'], mode='tensor')
    assert model._kept is None
    copy.deepcopy(model)  # as for averaged weights


def test_a_checkpoint_of_the_detector_starts_it():
    config = config_of(ATSS_CONFIG)
    keys = built(with_head(config)).load_state_dict(built(config).state_dict(), strict=False)
    assert not keys.unexpected_keys
    assert all(key.startswith('focus_head.') for key in keys.missing_keys)


def test_the_class_of_a_detector_instead_of_its_name():
    config = with_head(config_of(ATSS_CONFIG))
    assert isinstance(MODELS.build(dict(config, detector=ATSS)), ATSS)


@pytest.mark.parametrize('name', ['ATSSHead', 'NoSuchDetector', 'IgnoreAwareHead'])
def test_what_is_no_detector(name):
    config = dict(with_head(config_of(ATSS_CONFIG)), detector=name)
    with pytest.raises(InputError, match='detector of FocusDetector must be the name of'):
        MODELS.build(config)


def test_a_map_that_is_not_there():
    config = with_head(config_of(ATSS_CONFIG))
    config['focus_head']['feature'] = 5
    with pytest.raises(InputError, match='look at map 5 of the detector, which has 5'):
        losses_of(built(config))


def drawn(number, seed):
    """Images of noise with a small and a large bright square each, which is out of range."""
    random = np.random.default_rng(seed)
    inputs, samples = [], []
    for _ in range(number):
        image = random.integers(0, 60, (SIDE, SIDE, 3), np.uint8)
        boxes = []
        for side, colour in ((60, (200, 120, 160)), (12, (240, 240, 60))):
            x, y = random.integers(0, SIDE - side, 2)
            image[y : y + side, x : x + side] = colour
            boxes.append([x, y, x + side, y + side])
        boxes = torch.tensor(boxes, dtype=torch.float32)
        labels = torch.zeros(1, dtype=torch.long)
        sample = DetDataSample(
            metainfo=dict(img_shape=(SIDE, SIDE), ori_shape=(SIDE, SIDE), scale_factor=(1.0, 1.0))
        )
        sample.gt_instances = InstanceData(bboxes=boxes[:1], labels=labels)
        sample.ignored_instances = InstanceData(bboxes=boxes[1:], labels=labels)
        inputs.append(torch.from_numpy(image.transpose(2, 0, 1).copy()))
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


def test_a_short_training_tells_small_objects_from_the_rest():
    """Those that the detector ignores, and not the large ones that it learns."""
    config = Config.fromfile(config_path('_base_/models/atss_r18_fpn_tiny.py')).model
    config.bbox_head.num_classes = 1
    config = with_head(config, focus_head=dict(HEAD, in_channels=32, sizes=(2, 24, 34)))
    model = built(config).train()
    wrapper = OptimWrapper(torch.optim.AdamW(model.parameters(), lr=0.004))
    for step in range(40):
        model.train_step(drawn(4, step), wrapper)
    data = drawn(8, 1000)
    with torch.no_grad():
        found = model.eval()(**model.data_preprocessor(copy.deepcopy(data)), mode='predict')
    maps = torch.stack([sample.focus_map.data[0] for sample in found])
    labels = torch.stack(
        [model.focus_head._labels(sample, (16, 16)) for sample in data['data_samples']]
    )
    centres = torch.cat([sample.ignored_instances.bboxes for sample in data['data_samples']])
    columns, rows = ((centres[:, :2] + 6) // 8).long().T
    focus, other = maps[torch.arange(8), rows, columns], maps[labels == 0]
    assert (focus[:, None] > other).float().mean() > 0.97, 'share of pairs in the right order'
    assert focus.mean() > 10 * other.mean()
