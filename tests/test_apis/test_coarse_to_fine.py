"""Detecting from coarse to fine, with a detector that finds what is painted."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from rectangle_finder import CHIPS_CONFIG, CONFIG, paint, write_detector

from mmsniper.apis import PyramidInferencer
from mmsniper.errors import InputError
from mmsniper.inference import load_detector

# Small ones in a corner of a large picture, one of a middle size, nothing, and one below a chip.
PICTURES = {
    'small.png': ((640, 480), [(20, 20, 34, 34), (60, 24, 74, 40), (50, 60, 66, 74)]),
    'large.png': ((500, 333), [(110, 80, 150, 116)]),
    'nothing.png': ((400, 400), []),
    'tiny.png': ((60, 40), [(8, 8, 24, 22)]),
}
FOCUS_CONFIG = CHIPS_CONFIG.replace(
    "type='ChipMergeHook',", "type='ChipMergeHook', focus=dict(threshold=0.3, min_cells=2),"
)


@pytest.fixture
def folder(tmp_path):
    for name, (size, boxes) in PICTURES.items():
        paint(tmp_path / 'in' / name, size, boxes, [0] * len(boxes))
    return tmp_path / 'in'


def inferencer(tmp_path, config=CHIPS_CONFIG, **settings):
    settings = dict(dict(show_progress=False, device='cpu', num_workers=0), **settings)
    return PyramidInferencer(*write_detector(tmp_path, config), **settings)


@pytest.mark.parametrize('config', [CONFIG, CHIPS_CONFIG])
def test_threshold_0_is_the_whole_pyramid(tmp_path, folder, config):
    whole, all_of_it = (inferencer(tmp_path, config, focus_threshold=t) for t in (None, 0))
    assert all_of_it(folder) == whole(folder)
    assert whole.looked_at is None and all_of_it.looked_at == 1
    assert all_of_it.counts['views'] == whole.counts['views']


@pytest.mark.parametrize('settings', [dict(focus=dict(threshold=0.3, min_cells=2)), {}])
def test_all_is_found_at_a_part_of_the_pixels(tmp_path, folder, settings):
    infer = inferencer(tmp_path, CHIPS_CONFIG if settings else FOCUS_CONFIG, **settings)
    found = {image.name: image for image in infer.detect(folder)}
    for name, (_, boxes) in PICTURES.items():
        assert len(found[name]) == len(boxes)
        for box in boxes:
            assert np.abs(found[name].boxes - box).max(axis=1).min() < 3, name
    assert (found['small.png'].levels == 0).all() and (found['large.png'].levels == 1).all()
    # All of the coarse level, and hardly any of the fine one.
    assert 0.15 < infer.looked_at < 0.4
    whole = inferencer(tmp_path, FOCUS_CONFIG, focus=False)
    whole(folder)
    assert whole.looked_at is None


def test_results_do_not_depend_on_workers_or_on_how_pictures_come(tmp_path, folder):
    settings = dict(focus=dict(threshold=0.3, min_cells=2), batch_size=3)
    expected = [image.to_json() for image in inferencer(tmp_path, **settings).detect(folder)]
    with_workers = inferencer(tmp_path, num_workers=2, **settings)
    assert [image.to_json() for image in with_workers.detect(folder)] == expected
    pixels = [cv2.imread(str(folder / image['name'])) for image in expected]
    frames = list(inferencer(tmp_path, **settings).detect(frame for frame in pixels))
    assert [image.boxes.tolist() for image in frames] == [each['boxes'] for each in expected]


def test_broken_pictures_ask_for_nothing_more(tmp_path, folder):
    whole = (folder / 'small.png').read_bytes()
    (folder / 'broken.png').write_bytes(whole[: len(whole) // 2])
    infer = inferencer(tmp_path, focus=dict(threshold=0.3, min_cells=2))
    found = {image.name: image for image in infer.detect(folder)}
    assert found['broken.png'].fault is not None
    assert len(found) == 5 and len(found['small.png']) == 3


def test_impossible(tmp_path):
    with pytest.raises(InputError, match='focus has no setting speed'):
        inferencer(tmp_path, focus=dict(speed=2))
    with pytest.raises(InputError, match='min_cells of focus has 2 entries, but there are 1 steps'):
        inferencer(tmp_path, focus=dict(min_cells=(2, 3)))
    with pytest.raises(InputError, match='switched off'):
        inferencer(tmp_path, focus=False, focus_threshold=0.2)


def test_what_the_config_says_is_kept_beside_a_threshold(tmp_path):
    config, weights = write_detector(tmp_path, FOCUS_CONFIG)

    def focus(**chosen):
        return load_detector(config, weights, 'cpu', **chosen).views.plan.focus

    assert focus().min_cells == 2 and focus(focus=True) == focus()
    assert focus(focus=dict(threshold=0.5)).min_cells == 2
    assert focus(focus=dict(threshold=0.5)).threshold == 0.5
    assert focus(focus=False) is None
