"""Heads that learn from every location or query: what they do with ignored objects, and without."""

import copy
import multiprocessing

import numpy as np
import pytest
import torch
from learning import batch_of, learn
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData
from tiny_detectors import tiny_detector
from zoo_configs import zoo_config

from mmsniper.conversion.ignoring import apply_ignoring
from mmsniper.errors import InputError
from mmsniper.experiments.zoo import ignore_scene
from mmsniper.experiments.zoo.ignore_check import check_ignoring
from mmsniper.experiments.zoo.ignore_scene import IgnoreScene
from mmsniper.experiments.zoo.shrink import shrink
from mmsniper.models.ignoring import ignore_aware_class
from mmsniper.models.ignoring.maps import NO_PEAK, NOTHING, IgnoresCentres, nothing_in
from mmsniper.models.ignoring.queries import WeighedClassLoss

SIDE = 128
WHOLE = [0.0, 0, SIDE, SIDE]
FCOS = 'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py'
HEADS = [
    'autoassign/autoassign_r50-caffe_fpn_1x_coco.py',
    'cascade_rpn/cascade-rpn_faster-rcnn_r50-caffe_fpn_1x_coco.py',
    'centernet/centernet-update_r50-caffe_fpn_ms-1x_coco.py',
    'centernet/centernet_r18_8xb16-crop512-140e_coco.py',
    'condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py',
    'conditional_detr/conditional-detr_r50_8xb2-50e_coco.py',
    'cornernet/cornernet_hourglass104_8xb6-210e-mstest_coco.py',
    'crowddet/crowddet-rcnn_r50_fpn_8xb2-30e_crowdhuman.py',
    'dab_detr/dab-detr_r50_8xb2-50e_coco.py',
    'ddq/ddq-detr-4scale_r50_8xb2-12e_coco.py',
    'deformable_detr/deformable-detr-refine-twostage_r50_16xb2-50e_coco.py',
    'detr/detr_r50_8xb2-150e_coco.py',
    'dino/dino-4scale_r50_8xb2-12e_coco.py',
    FCOS,
    'foveabox/fovea_r50_fpn_4xb4-1x_coco.py',
    'free_anchor/freeanchor_r50_fpn_1x_coco.py',
    'fsaf/fsaf_r50_fpn_1x_coco.py',
    'guided_anchoring/ga-retinanet_r50_fpn_1x_coco.py',
    'mask2former/mask2former_r50_8xb2-lsj-50e_coco.py',
    'queryinst/queryinst_r50_fpn_1x_coco.py',
    'reppoints/reppoints-moment_r50_fpn_1x_coco.py',
    'scnet/scnet_r50_fpn_1x_coco.py',
    'solo/decoupled-solo_r50_fpn_1x_coco.py',
    'solov2/solov2_r50_fpn_1x_coco.py',
    'sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco.py',
    'vfnet/vfnet_r50_fpn_1x_coco.py',
    'yolact/yolact_r50_1xb8-55e_coco.py',
    'yolo/yolov3_d53_8xb8-320-273e_coco.py',
    'yolox/yolox_s_8xb8-300e_coco.py',
]


def built(config):
    torch.manual_seed(0)
    config = copy.deepcopy(config)
    if (config.get('roi_head') or {}).get('type') == 'MultiInstanceRoIHead':
        config.roi_head.type = 'ChipMultiInstanceRoIHead'
    config.data_preprocessor.pop('batch_augments', None)
    model = MODELS.build(config)
    model.init_weights()
    return model.train()


def chips(mode):
    return [
        IgnoreScene(SIDE, seed).chip(mode, (0, 0), with_masks=True, with_segmentation=True)
        for seed in range(2)
    ]


SLOW = ('cascade_rpn/', 'cornernet/', 'scnet/', 'queryinst/')


@pytest.mark.parametrize(
    'name',
    [pytest.param(name, marks=pytest.mark.slow if name.startswith(SLOW) else ()) for name in HEADS],
)
def test_without_ignored_objects_nothing_changes(name):
    config = shrink(zoo_config(name).model, SIDE)
    plain, aware = built(config), built(apply_ignoring(config))
    assert list(plain.state_dict()) == list(aware.state_dict())
    plain.load_state_dict(aware.state_dict())
    for module in (*plain.modules(), *aware.modules()):
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()  # nor do statistics then
    losses, gradients = learn(plain, chips('drop'))
    same_losses, same_gradients = learn(aware, chips('drop'))
    assert same_losses == losses
    assert any(gradient is not None for gradient in gradients.values())
    for key, gradient in gradients.items():
        same = same_gradients[key]
        assert same is gradient is None or torch.equal(same, gradient), key


def covered_chip(pixels):
    """A chip that is nothing but a part of an ignored object."""
    sample = DetDataSample(
        metainfo=dict(img_shape=(SIDE, SIDE), ori_shape=(SIDE, SIDE), scale_factor=(1.0, 1.0))
    )
    sample.gt_instances = InstanceData(
        bboxes=torch.zeros(0, 4),
        labels=torch.zeros(0, dtype=torch.long),
        masks=BitmapMasks(np.zeros((0, SIDE, SIDE), np.uint8), SIDE, SIDE),
    )
    sample.ignored_instances = InstanceData(
        bboxes=torch.tensor([WHOLE]), labels=torch.zeros(1, dtype=torch.long)
    )
    return dict(inputs=pixels, data_samples=sample)


@pytest.mark.parametrize(
    'name, learns_classes',
    [
        ('autoassign/autoassign_r50-caffe_fpn_1x_coco.py', 'bbox_head.conv_cls'),
        ('centernet/centernet-update_r50-caffe_fpn_ms-1x_coco.py', 'bbox_head.conv_cls'),
        ('centernet/centernet_r18_8xb16-crop512-140e_coco.py', 'bbox_head.heatmap_head'),
        ('dino/dino-4scale_r50_8xb2-12e_coco.py', 'bbox_head.cls_branches'),
        ('detr/detr_r50_8xb2-150e_coco.py', 'bbox_head.fc_cls'),
        (FCOS, 'bbox_head.conv_cls'),
        ('fsaf/fsaf_r50_fpn_1x_coco.py', 'bbox_head.retina_cls'),
        ('foveabox/fovea_r50_fpn_4xb4-1x_coco.py', 'bbox_head.conv_cls'),
        ('vfnet/vfnet_r50_fpn_1x_coco.py', 'bbox_head.vfnet_cls'),
        ('yolox/yolox_s_8xb8-300e_coco.py', 'bbox_head.multi_level_conv_obj'),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ('condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py', 'bbox_head.conv_cls'),
                ('conditional_detr/conditional-detr_r50_8xb2-50e_coco.py', 'bbox_head.fc_cls'),
                ('cornernet/cornernet_hourglass104_8xb6-210e-mstest_coco.py', 'bbox_head.tl_heat'),
                ('dab_detr/dab-detr_r50_8xb2-50e_coco.py', 'bbox_head.fc_cls'),
                ('ddq/ddq-detr-4scale_r50_8xb2-12e_coco.py', 'bbox_head.cls_branches'),
                (HEADS[10], 'bbox_head.cls_branches'),
                ('mask2former/mask2former_r50_8xb2-lsj-50e_coco.py', 'panoptic_head.cls_embed'),
                ('solo/decoupled-solo_r50_fpn_1x_coco.py', 'mask_head.conv_cls'),
                ('solov2/solov2_r50_fpn_1x_coco.py', 'mask_head.conv_cls'),
            )
        ),
    ],
)
def test_a_chip_of_ignored_objects_alone_teaches_no_class(name, learns_classes):
    model = built(apply_ignoring(shrink(zoo_config(name).model, SIDE)))
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(2):
        pixels = torch.randint(256, (3, SIDE, SIDE), generator=generator, dtype=torch.uint8)
        losses, gradients = learn(model, [covered_chip(pixels)])
        mine = [grad for key, grad in gradients.items() if key.startswith(learns_classes)]
        assert mine and all(grad is None or not grad.any() for grad in mine)
        found.append({key: value for key, value in losses.items() if 'cls' in key or 'obj' in key})
    assert found[0] == found[1], 'whatever the pixels are'
    assert all(abs(value) < 1e-6 for value in found[0].values())


def sample_with(valid, ignored):
    """Ground truth of an image of FCOS, as its head gets it."""
    return [
        InstanceData(
            bboxes=torch.tensor(boxes).reshape(-1, 4),
            labels=torch.zeros(len(boxes), dtype=torch.long),
        )
        for boxes in (valid, ignored)
    ]


def points_that_learn(valid, ignored):
    """Which points of FCOS's finest level get a gradient of their class, shape (h, w)."""
    head = built(apply_ignoring(tiny_detector(FCOS))).bbox_head
    maps = [
        [torch.randn(1, channels, SIDE // stride, SIDE // stride).abs() for stride in STRIDES]
        for channels in (3, 4, 1)
    ]
    for level in maps[0]:
        level.requires_grad_()
    instances, left_out = sample_with(valid, ignored)
    metas = [dict(img_shape=(SIDE, SIDE))]
    losses = head.loss_by_feat(*maps, [instances], metas, [left_out])
    losses['loss_cls'].backward()
    return (maps[0][0].grad[0] != 0).all(0)


STRIDES = [8, 16, 32, 64, 128]
LARGE, SMALL = [16.0, 16, 112, 112], [40.0, 40, 72, 72]


def inside(box):
    centres = torch.arange(4, SIDE, 8)
    x = (centres >= box[0]) & (centres < box[2])
    y = (centres >= box[1]) & (centres < box[3])
    return y[:, None] & x


def test_a_small_object_in_front_of_a_large_ignored_one_is_learnt():
    learnt = points_that_learn([SMALL], [LARGE])
    assert torch.equal(learnt, ~inside(LARGE) | inside(SMALL))


def test_a_large_object_behind_a_small_ignored_one_is_learnt():
    assert points_that_learn([LARGE], [SMALL]).all()


def test_ignored_objects_alone():
    assert torch.equal(points_that_learn([], [SMALL]), ~inside(SMALL))


def test_what_is_normalised_by_a_count_does_not_count_queries_left_out():
    head = built(apply_ignoring(shrink(zoo_config(HEADS[11]).model, SIDE))).bbox_head
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(1, 6, 81, generator=generator)
    boxes = torch.tensor([[0.2, 0.2, 0.1, 0.1], [0.3, 0.2, 0.1, 0.1], [0.8, 0.8, 0.1, 0.1]] * 2)
    instances, ignored = sample_with([[20.0, 20, 32, 32]], [[90.0, 90, 120, 120]])
    meta = dict(img_shape=(SIDE, SIDE))
    kept = [0, 1, 3, 4]
    expected = head.loss_by_feat_single(scores[:, kept], boxes[None, kept], [instances], [meta])
    told = dict(meta, ignored_boxes=ignored.bboxes)
    found = head.loss_by_feat_single(scores, boxes[None], [instances], [told])
    torch.testing.assert_close(found, expected)
    all_of_them = head.loss_by_feat_single(scores, boxes[None], [instances], [meta])
    assert abs(all_of_them[0] - expected[0]) > 1e-3


def test_a_loss_that_is_normalised_by_weighed_queries():
    plain = MODELS.build(
        dict(type='CrossEntropyLoss', reduction='mean', class_weight=[1.0, 1.0, 0.1])
    )
    loss = WeighedClassLoss(plain, [1.0, 1.0, 0.1])
    scores = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    labels, weights = torch.tensor([0, 2, 2, 2]), torch.tensor([1, 1, 0, 1])
    kept = weights.bool()
    expected = plain(scores[kept], labels[kept], weights[kept], avg_factor=torch.tensor(1.2))
    torch.testing.assert_close(loss(scores, labels, weights, torch.tensor(1.3)), expected)
    assert loss(scores, labels, weights * 0, torch.tensor(1.3)) == 0
    torch.testing.assert_close(
        loss(scores, labels, weights * 0 + 1, torch.tensor(1.3)),
        plain(scores, labels, weights * 0 + 1, avg_factor=torch.tensor(1.3)),
    )


def test_denoising_queries_are_those_of_valid_objects():
    model = built(apply_ignoring(shrink(zoo_config(HEADS[12]).model, SIDE)))
    made = []
    for mode in ('ignore', 'drop'):
        torch.manual_seed(0)
        samples = batch_of(model, chips(mode))['data_samples']
        assert all((len(sample.ignored_instances) > 0) == (mode == 'ignore') for sample in samples)
        made.append(model.dn_query_generator(samples))
    for first, second in zip(*made):
        same = torch.equal if isinstance(first, torch.Tensor) else dict.__eq__
        assert same(first, second)


QUICK = ('fcos/', 'centernet/centernet_r18', 'dino/', 'solo/', 'mask2former/', 'yolox/')


def most_slowly(names, quick=QUICK):
    return [
        pytest.param(name, marks=() if name.startswith(quick) else pytest.mark.slow)
        for name in names
    ]


# On a CPU MMDetection's own heads fail in bfloat16, or the operations of MMCV that they call.
NOT_IN_BFLOAT16 = (
    *('autoassign/', 'cascade_rpn/', 'crowddet/', 'ddq/', 'guided_anchoring/', 'queryinst/'),
    *('reppoints/', 'scnet/', 'sparse_rcnn/', 'vfnet/'),
)


@pytest.mark.parametrize(
    'name', most_slowly(name for name in HEADS if not name.startswith(NOT_IN_BFLOAT16))
)
def test_losses_are_finite_in_mixed_precision(name):
    model = built(apply_ignoring(shrink(zoo_config(name).model, SIDE)))
    with torch.autocast('cpu', torch.bfloat16):
        losses, gradients = learn(model, chips('ignore'))
    assert all(torch.as_tensor(value).isfinite() for value in losses.values())
    assert all(grad is None or grad.isfinite().all() for grad in gradients.values())


@pytest.mark.parametrize('name', most_slowly(HEADS))
def test_chips_without_any_valid_object_are_learnt_from(name):
    """One with nothing but an ignored object beside one with nothing at all."""
    model = built(apply_ignoring(shrink(zoo_config(name).model, SIDE)))
    ignored, empty = chips('ignore')
    for chip in (ignored, empty):
        sample = chip['data_samples']
        sample.gt_instances = sample.gt_instances[:0]
        assert len(sample.ignored_instances) == 1
    empty['data_samples'].ignored_instances = empty['data_samples'].ignored_instances[:0]
    losses, gradients = learn(model, [ignored, empty])
    assert all(torch.as_tensor(value).isfinite() for value in losses.values())
    assert all(grad is None or grad.isfinite().all() for grad in gradients.values())
    assert max(losses.values()) < 1e4, 'nothing is normalised by nothing'


@pytest.mark.parametrize('name', most_slowly(HEADS))
def test_an_object_in_range_inside_a_large_ignored_one(name, monkeypatch):
    monkeypatch.setattr(ignore_scene, 'IN_RANGE', (80, 80, 144, 144))
    monkeypatch.setattr(ignore_scene, 'OUT_OF_RANGE', (24, 24, 232, 232))
    model = built(apply_ignoring(shrink(zoo_config(name).model, SIDE)))
    report = check_ignoring(model, 'ignore', size=SIDE)
    assert report.passed, report.sentences


def test_constants_keep_their_meaning_in_half_precision():
    assert torch.tensor(NOTHING).half().isfinite()
    for probability in (
        torch.tensor(NO_PEAK).half().sigmoid(),
        torch.tensor(IgnoresCentres.nothing).half(),
    ):
        assert 0 < probability < 1e-6, 'whose logarithm is finite'
    # MMCV's focal loss on a GPU takes the logarithm of a probability in half precision.
    half = torch.tensor(nothing_in(torch.float16)).half()
    assert 0 < half.sigmoid() < 1e-4 and (-half).exp().isfinite()
    assert nothing_in(torch.float32) == nothing_in(torch.bfloat16) == NOTHING
    assert nothing_in(torch.float16, IgnoresCentres.nothing) == IgnoresCentres.nothing
    head = MODELS.build(dict(type='IgnoreAwareHead', head='FCOSHead', num_classes=2, in_channels=8))
    level = torch.zeros(1, 2, 3, 3, dtype=torch.float16)
    where = torch.eye(3, dtype=torch.bool).view(1, 1, 3, 3)
    assert head.blank(level, where)[0, 0].diagonal().tolist() == [half.item()] * 3


def test_centernet_finds_objects_without_a_border():
    """MMDetection's own pipeline pads images, ours does not and tells of no border."""
    model = built(apply_ignoring(shrink(zoo_config(HEADS[3]).model, SIDE))).eval()
    (chip, _) = chips('ignore')
    data = dict(inputs=[chip['inputs']], data_samples=[chip['data_samples']])
    data = model.data_preprocessor(data, training=False)
    with torch.no_grad():
        (found,) = model(**data, mode='predict')
        boxes = found.pred_instances.bboxes
        for sample in data['data_samples']:
            sample.set_metainfo(dict(border=(4.0, 0.0, 8.0, 0.0)))
        (moved,) = model(**data, mode='predict')
    others = moved.pred_instances.bboxes
    torch.testing.assert_close(boxes - torch.tensor([8.0, 4, 8, 4]), others)


@MODELS.register_module()
class PointsOfMyOwn(MODELS.get('FCOSHead')):
    """Derives from a head that can become aware."""


def test_custom_heads_copies_and_names():
    model = tiny_detector(FCOS)
    settings = {key: value for key, value in model.bbox_head.items() if key != 'type'}
    for kind in ('PointsOfMyOwn', PointsOfMyOwn, 'mmdet.FCOSHead'):
        head = MODELS.build(dict(type='IgnoreAwareHead', head=kind, **settings))
        name = getattr(kind, '__name__', kind).rsplit('.', 1)[-1]
        assert type(head).__name__ == f'IgnoreAware{name}'
        assert isinstance(head, MODELS.get(name)) and type(copy.deepcopy(head)) is type(head)
    assert ignore_aware_class(PointsOfMyOwn) is ignore_aware_class(PointsOfMyOwn)


def test_what_cannot_become_aware_is_named():
    with pytest.raises(InputError, match='does not know how RetinaHead could ignore'):
        MODELS.build(dict(type='IgnoreAwareHead', head='RetinaHead', num_classes=3))
    with pytest.raises(InputError, match="must be the name of a registered head, but is 'Nobody"):
        MODELS.build(dict(type='IgnoreAwareHead', head='NobodyHead'))


def test_a_head_with_a_background_class():
    """In a softmax a point that is left out is background, and not each class a little."""
    model = apply_ignoring(tiny_detector(FCOS))
    model.bbox_head.loss_cls = dict(type='CrossEntropyLoss', use_sigmoid=False)
    head = built(model).bbox_head
    level = torch.randn(1, 4, 2, 2, requires_grad=True)
    where = torch.tensor([[[[True, False], [False, False]]]])
    blank = head.blank(level, where)
    torch.testing.assert_close(
        blank[0, :, 0, 0].softmax(0), torch.tensor([0.0, 0, 0, 1]), rtol=0, atol=1e-9
    )
    assert torch.equal(blank[..., 1], level[..., 1])
    blank.sum().backward()
    assert (level.grad != 0)[0].all(0).tolist() == [[False, True], [True, True]]


def still(model):
    """Nothing in it depends on chance or on the batch."""
    for module in model.modules():
        if isinstance(module, (torch.nn.Dropout, torch.nn.modules.batchnorm._BatchNorm)):
            module.eval()
        if isinstance(module, torch.nn.MultiheadAttention):
            module.dropout = 0.0
    return model


def share_of(rank, model, batch, folder):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/meeting', rank=rank, world_size=2
    )
    losses, _ = learn(model, [batch[rank]])
    torch.save(losses, f'{folder}/{rank}.pth')
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize('name', [FCOS, 'yolox/yolox_s_8xb8-300e_coco.py', HEADS[10]])
def test_two_processes_of_which_one_has_ignored_objects(name, tmp_path):
    """Both normalise by what both have, so that together they learn what one would."""
    model = still(built(apply_ignoring(shrink(zoo_config(name).model, SIDE))))
    batch = chips('ignore')
    batch[1]['data_samples'].ignored_instances = batch[1]['data_samples'].ignored_instances[:0]
    expected, _ = learn(copy.deepcopy(model), batch)
    context = multiprocessing.get_context('fork')
    processes = [
        context.Process(target=share_of, args=(rank, model, batch, tmp_path)) for rank in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    shares = [torch.load(tmp_path / f'{rank}.pth') for rank in range(2)]
    for key, value in expected.items():
        found = (shares[0][key] + shares[1][key]) / 2
        torch.testing.assert_close(found, value, rtol=1e-4, atol=1e-5, msg=key)
