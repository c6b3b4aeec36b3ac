"""What of a detector has to fit chips, besides how it ignores."""

import pytest
from zoo_configs import zoo_config

from mmsniper.conversion import Changes, convert
from mmsniper.conversion.detector import (
    allow_missing_gradients,
    any_proposal_size,
    fit_batch_augments,
    hand_over_masks_as_rle,
    mean_of_input,
    merging_settings,
    pads_itself,
)


def test_mask_heads_of_large_images():
    model = dict(
        type='MaskRCNN',
        roi_head=dict(
            mask_head=[dict(type='FCNMaskHead', num_classes=3), dict(type='mmdet.FCNMaskHead')],
            mask_iou_head=dict(type='MaskIoUHead'),
        ),
        mask_head=dict(type='CondInstMaskHead'),
    )
    hand_over_masks_as_rle(model, Changes())
    assert model['roi_head']['mask_head'] == [
        dict(type='RLEFCNMaskHead', num_classes=3),
        dict(type='RLEFCNMaskHead'),
    ]
    assert model['mask_head'] == dict(type='RLECondInstMaskHead')
    other = dict(roi_head=dict(mask_head=dict(type='HTCMaskHead')))
    hand_over_masks_as_rle(other, Changes())
    assert other['roi_head']['mask_head']['type'] == 'HTCMaskHead', 'a class of its own'


def test_batches_have_the_size_of_chips():
    changes = Changes()
    pad = dict(type='BatchFixedSizePad', size=(1024, 1024), pad_mask=True)
    model = dict(data_preprocessor=dict(batch_augments=[dict(type='BatchSyncRandomResize'), pad]))
    fit_batch_augments(model, 320, changes)
    assert model['data_preprocessor']['batch_augments'] == [dict(pad, size=(320, 320))]
    assert 'BatchSyncRandomResize taken out' in str(changes)
    model = dict(data_preprocessor=dict(batch_augments=[dict(type='BatchResize', scale=(1, 1))]))
    fit_batch_augments(model, 320, changes)
    assert model['data_preprocessor']['batch_augments'] is None


def test_padding_of_its_own():
    assert pads_itself(dict(data_preprocessor=dict(pad_size_divisor=32)))
    assert not pads_itself(dict(data_preprocessor=dict(pad_size_divisor=1)))
    assert not pads_itself({})


def test_the_mean_in_the_order_of_a_loaded_image():
    imagenet = dict(mean=[123.675, 116.28, 103.53], bgr_to_rgb=True)
    assert mean_of_input(dict(data_preprocessor=imagenet)) is None
    assert mean_of_input(dict(data_preprocessor=dict(mean=[1, 2, 3], bgr_to_rgb=True))) == (3, 2, 1)
    assert mean_of_input(dict(data_preprocessor=dict(mean=[1, 2, 3]))) == (1, 2, 3)
    assert mean_of_input(dict(data_preprocessor=dict(type='DetDataPreprocessor'))) is None


def test_how_views_are_merged():
    def nms(threshold, **more):
        return dict(type='nms', iou_threshold=threshold, **more)

    rpn = dict(nms=nms(0.7), max_per_img=1000)
    rcnn = dict(nms=nms(0.5), max_per_img=100)
    assert merging_settings(dict(test_cfg=dict(rpn=rpn, rcnn=rcnn))) == {}
    assert merging_settings(dict(test_cfg=dict(rpn=rpn))) == dict(nms=nms(0.7), max_per_image=1000)
    one_stage = dict(nms=nms(0.65), max_per_img=300, score_thr=0.05)
    assert merging_settings(dict(test_cfg=one_stage)) == dict(nms=nms(0.65), max_per_image=300)
    soft = dict(nms=dict(type='soft_nms', iou_threshold=0.5, method='gaussian'))
    assert merging_settings(dict(test_cfg=soft)) == dict(
        nms=dict(type='soft_nms', iou_threshold=0.5)
    )
    assert merging_settings(dict(test_cfg=dict(nms=dict(type='set_nms')))) == {}
    assert merging_settings({}) == {}


def test_proposals_of_any_size():
    model = dict(
        train_cfg=dict(
            rpn=dict(assigner=dict(type='IgnoreAwareAssigner', assigner=dict(type='A'))),
            rcnn=[dict(assigner=dict(type='ValidRangeAssigner', assigner=dict(type='B')))],
        )
    )
    any_proposal_size(model, Changes())
    assert model['train_cfg']['rcnn'][0]['assigner']['use_proposal_size'] is False
    assert 'use_proposal_size' not in model['train_cfg']['rpn']['assigner']


@pytest.mark.parametrize(
    'name, needed',
    [
        ('condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py', True),
        ('cornernet/cornernet_hourglass104_8xb6-210e-mstest_coco.py', True),
        ('foveabox/fovea_r50_fpn_4xb4-1x_coco.py', True),
        ('grid_rcnn/grid-rcnn_r50_fpn_gn-head_2x_coco.py', True),
        ('rtmdet/rtmdet-ins_s_8xb32-300e_coco.py', True),
        ('scnet/scnet_r50_fpn_1x_coco.py', True),
        ('solov2/solov2_r50_fpn_1x_coco.py', True),
        ('yolof/yolof_r50-c5_8xb8-1x_coco.py', True),
        ('faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', False),
        ('fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py', False),
    ],
)
def test_heads_that_learn_nothing_without_objects_train_in_several_processes(name, needed):
    config, changes = convert(zoo_config(name))
    assert config.get('find_unused_parameters', False) == needed
    assert any('find_unused_parameters: set' in line for line in changes.changed) == needed


def test_wrappers_of_ones_own_stay():
    changes = Changes()
    wrapper = dict(model_wrapper_cfg=dict(type='MMDistributedDataParallel', static_graph=True))
    allow_missing_gradients(wrapper, dict(bbox_head=dict(type='FoveaHead')), changes)
    assert 'find_unused_parameters' not in wrapper and not changes.changed
