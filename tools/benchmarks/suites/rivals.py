_base_ = '_base_/suite.py'

title = 'Rivals'
question = (
    'A pretrained detector is to be fine-tuned on a few hundred photographs: what do chips bring '
    'over the strongest other ways, for as many pixels in training, and in testing?'
)
data = 'licence_plates'

sizes = dict(
    tiny=dict(
        models=dict(
            yolox='_base_/models/yolox_nano.py',
            atss='_base_/models/atss_cspdarknet_nano.py',
            faster_rcnn='_base_/models/faster-rcnn_mobilenetv2_fpn.py',
        ),
        # A run trains for five to ten minutes on a core, and is tested for as long.
        budget_mpx=300.0,
        curve_points=2,
        optim_wrapper=dict(optimizer=dict(lr=0.001, weight_decay=0.05)),
    ),
    full=dict(
        models=dict(
            yolox='_base_/models/yolox_s.py',
            atss='_base_/models/atss_cspdarknet_s.py',
            faster_rcnn='_base_/models/faster-rcnn_r18_fpn.py',
        ),
    ),
)

# MMDetection's YOLOX-s, and torchvision's ResNet-18.
_yolox = dict(
    tiny='yolox_nano_coco.pth',
    full='https://download.openmmlab.com/mmdetection/v2.0/yolox/yolox_s_8x8_300e_coco/'
    'yolox_s_8x8_300e_coco_20211121_095711-4592a793.pth',
)
_backbone_of_faster_rcnn = dict(
    tiny='mobilenet_v2_imagenet.pth',
    full='https://download.pytorch.org/models/resnet18-f37072fd.pth',
)
_detectors = dict(
    yolox=dict(title='YOLOX', weights=_yolox),
    atss=dict(title='ATSS', weights=_yolox, weights_of='backbone'),
    faster_rcnn=dict(title='Faster R-CNN', weights=_backbone_of_faster_rcnn, weights_of='backbone'),
)
_ways = dict(
    single=dict(title='single scale', method='single-scale'),
    half=dict(title='half the scale', method='multi-scale', factors=(0.5,)),
    full=dict(title='full resolution', method='multi-scale', factors=(2.0,)),
    narrow=dict(title='multi-scale, narrow', method='multi-scale', factors=(1.2, 1.0, 0.7)),
    wide=dict(title='multi-scale', method='multi-scale'),
    # What slicing tools train on: every tile at full resolution, objects or not.
    tiles=dict(title='all tiles', method='tiles'),
    snip=dict(title='SNIP', method='snip'),
    sniper=dict(title='SNIPER without negatives', method='sniper'),
    sniper_online=dict(title='SNIPER', method='sniper', negatives='online'),
)
# Each way has the rate that suits it best of the three of rates.py. Those of whole pyramids were
# compared at the full length, as one of 75 Mpx has no room for them.
_rates = dict(
    yolox=dict(full=0.3, wide=0.3, snip=0.3),
    atss=dict(snip=0.3, sniper=3.0, sniper_online=3.0),
)
recipes = {
    f'{_detector}_{_name}': dict(
        _way,
        rate=_rates.get(_detector, {}).get(_name, 1.0),
        title=f'{_settings["title"]}, {_way["title"]}',
        model=_detector,
        weights=_settings['weights'],
        weights_of=_settings.get('weights_of', 'detector'),
    )
    for _detector, _settings in _detectors.items()
    for _name, _way in _ways.items()
}
tests = dict(
    _delete_=True,
    single=dict(title='single level', levels='single'),
    finest=dict(title='the finest level', levels=(0,)),
    # As slicing tools do it: tiles at full resolution, and the whole image.
    sliced=dict(title='tiles and the whole image', levels=(0, 2), ranges='open', tiles=True),
    pyramid=dict(title='pyramid, valid ranges'),
    open=dict(title='pyramid, open ranges', ranges='open'),
    # ATSS finds something everywhere, with little confidence; YOLOX is sure of what it finds.
    focus=dict(
        title='pyramid from coarse to fine, by detections from 0.01 on',
        focus=dict(source='detections', threshold=(0, 0.01), min_cells=24, dilation=5),
    ),
    focus_sure=dict(
        title='pyramid from coarse to fine, by detections from 0.15 on',
        focus=dict(source='detections', threshold=(0, 0.15), min_cells=24, dilation=5),
    ),
)
curve_test = 'single'
whole_test = 'pyramid'
