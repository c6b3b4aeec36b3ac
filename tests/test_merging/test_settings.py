"""Settings of the merging that cannot be, and those that can."""

import pytest

from mmsniper.errors import InputError
from mmsniper.merging import check_nms


@pytest.mark.parametrize(
    'nms, message',
    [
        (0.5, 'no dict'),
        (dict(type='nms_rotated', iou_threshold=0.5), "'nms_rotated' .* 'nmm', 'wbf'"),
        (dict(type='nms'), 'iou_threshold is None'),
        (dict(type='nms', iou_threshold=50), 'iou_threshold is 50'),
        (dict(type=['nms'], iou_threshold=0.5), r"type \['nms'\] cannot"),
        (dict(iou_threshold=0.5, iou_thr=0.5), "the key 'iou_thr', which merging by 'nms'"),
        (dict(iou_threshold=0.5, max_num=9), "'max_num', .* set max_per_image beside nms; it"),
        (dict(iou_threshold=0.5, class_agnostic=True), 'set class_agnostic beside nms; it takes'),
        (dict(type='nms', iou_threshold=0.5, sigma=0.5), "the key 'sigma'"),
        (dict(type='soft_nms', iou_threshold=0.5, sigma=0), 'sigma is 0'),
        (dict(type='soft_nms', iou_threshold=0.5, min_score=float('nan')), 'min_score is nan'),
        (dict(type='soft_nms', iou_threshold=0.5, method='cubic'), "method is 'cubic'"),
        (dict(type='nmm', match_threshold=0.5), r"'match_threshold', .*iou_threshold=\.\.\."),
        (dict(type='nmm', iou_threshold=0.5, match_metric='IOS'), "'match_metric', .*metric="),
        (
            dict(type='nmm', iou_threshold=0.5, metric='IOS'),
            "metric is 'IOS': use one of 'iou', 'i",
        ),
        (dict(type='nmm', iou_threshold=0.5, method='linear'), "the key 'method'"),
        (dict(type='wbf', conf_type='avg'), 'iou_threshold is None'),
        (dict(type='wbf', iou_threshold=0.5, conf_type='mean'), "conf_type is 'mean': use one of"),
        (dict(type='wbf', iou_threshold=0.5, num_views=0), 'num_views is 0: set a whole number'),
        (dict(type='wbf', iou_threshold=0.5, num_views=1.5), 'num_views is 1.5'),
        (dict(type='wbf', iou_threshold=0.5, num_views=True), 'num_views is True'),
        (dict(type='wbf', iou_threshold=0.5, skip_box_thr=0.1), 'min_score='),
        (dict(type='wbf', iou_threshold=0.5, metric=[]), "the key 'metric'"),
        (dict(type='nmm', iou_threshold=0.5, metric=['iou']), r"metric is \['iou'\]"),
    ],
)
def test_impossible_settings_are_refused(nms, message):
    with pytest.raises(InputError, match=message):
        check_nms(nms)


@pytest.mark.parametrize(
    'nms',
    [
        dict(type='nms', iou_threshold=0.5),
        dict(type='soft_nms', iou_threshold=0, sigma=0.5, min_score=0, method='gaussian'),
        dict(type='nmm', iou_threshold=1, metric='ios'),
        dict(type='wbf', iou_threshold=0.55, conf_type='max', num_views=2, min_score=0.1),
    ],
)
def test_others_stay_as_they_are(nms):
    assert check_nms(nms) == nms
    assert check_nms(dict(iou_threshold=0.5))['type'] == 'nms'
