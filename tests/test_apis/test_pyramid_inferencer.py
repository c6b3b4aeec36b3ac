"""Using a detector in three lines."""

import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from rectangle_finder import (
    CHIPS_CONFIG,
    CLASSES,
    CONFIG,
    paint,
    random_boxes,
    write_detector,
)

from mmsniper.apis import PyramidInferencer
from mmsniper.errors import InputError
from mmsniper.inference import load_detector

# Detections of reduced views are off by a pixel of their level at most.
SIZES = [(100, 80), (160, 160), (500, 333), (1300, 900)]


@pytest.fixture
def painted(tmp_path):
    """A folder of pictures and what is on them, by name."""
    truth = {}
    for number, size in enumerate(SIZES):
        boxes, labels = random_boxes(size, 4 + 6 * number, seed=number)
        name = f'{"sub/" if number % 2 else ""}{number}.png'
        paint(tmp_path / 'in' / name, size, boxes, labels)
        truth[name] = boxes, labels
    return tmp_path / 'in', truth


def inferencer(tmp_path, config=CONFIG, **settings):
    return PyramidInferencer(
        *write_detector(tmp_path, config), show_progress=False, device='cpu', **settings
    )


def check(image, boxes, labels, tolerance):
    """All that was painted was found once, and nothing else."""
    assert sorted(image.labels.tolist()) == sorted(labels)
    for box, label in zip(boxes, labels):
        same = image.boxes[image.labels == label]
        off = np.abs(same - np.array(box)).max(axis=1)
        assert off.min() <= tolerance, (image.name, box, same)


@pytest.mark.parametrize('num_workers', [0, 2])
@pytest.mark.parametrize('batch_size', [1, 3])
def test_all_is_found_once(painted, tmp_path, num_workers, batch_size):
    folder, truth = painted
    detect = inferencer(tmp_path, num_workers=num_workers, batch_size=batch_size).detect
    found = {image.name: image for image in detect(folder)}
    assert list(found) == sorted(truth, key=lambda name: ('/' in name, name))
    for name, (boxes, labels) in truth.items():
        image = found[name]
        assert (image.scores[:-1] >= image.scores[1:]).all() and image.fault is None
        check(image, boxes, labels, tolerance=9)
        small = [box for box in boxes if max(box[2] - box[0], box[3] - box[1]) < 40]
        for box in (
            small if image.width > 200 else ()
        ):  # a tile at the picture's own resolution has seen it
            assert np.abs(image.boxes - np.array(box)).max(axis=1).min() < 1e-3


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('masks', [False, True])
@pytest.mark.parametrize('config', [CONFIG, CHIPS_CONFIG])
def test_a_gpu_gives_what_a_cpu_gives(painted, tmp_path, config, masks):
    folder, _ = painted
    config = config.replace("'RectangleFinder',", f"'RectangleFinder', masks={masks},")
    results = []
    for device in ('cpu', 'cuda', None):
        files = write_detector(tmp_path, config)
        detect = PyramidInferencer(*files, device, show_progress=False)
        assert next(detect.model.parameters()).is_cuda == (device != 'cpu')
        results.append([image.to_json() for image in detect.detect(folder)])
    assert results[0] == results[1] == results[2] and results[0]


def test_results_do_not_depend_on_batches_and_workers(painted, tmp_path):
    folder, _ = painted
    results = []
    for batch_size, num_workers in ((1, 0), (4, 0), (4, 1), (5, 3)):
        detect = inferencer(tmp_path, batch_size=batch_size, num_workers=num_workers).detect
        results.append([image.to_json() for image in detect(folder)])
    assert all(result == results[0] for result in results)


def test_arrays_and_files_give_the_same(painted, tmp_path):
    folder, truth = painted
    paths = [folder / name for name in truth]
    infer = inferencer(tmp_path)
    from_files = infer(paths)['predictions']
    pixels = [cv2.imread(str(path)) for path in paths]
    assert infer(pixels)['predictions'] == from_files
    assert infer(frame for frame in pixels)['predictions'] == from_files
    assert infer([str(paths[1])])['predictions'] == [from_files[1]]
    assert infer(pixels[1])['predictions'] == [from_files[1]]
    assert infer(str(folder / '**' / '*.png'))['predictions'] == infer(folder)['predictions']


def test_a_camera_is_asked_when_its_frame_is_needed(tmp_path):
    asked = []

    def camera():
        for number in range(4):
            asked.append(number)
            yield paint(
                tmp_path / 'x.png', (160, 120), [(10 * number, 5, 10 * number + 8, 20)], [1]
            )

    for number, image in enumerate(inferencer(tmp_path, batch_size=1).detect(camera())):
        assert asked[-1] == number == image.index
        assert image.boxes.tolist() == [[10 * number, 5, 10 * number + 8, 20]]


def test_levels_of_a_config_that_trains_on_chips(painted, tmp_path):
    folder, truth = painted
    infer = inferencer(tmp_path, CHIPS_CONFIG)
    for image in infer.detect(folder):
        boxes, labels = truth[image.name]
        boxes = np.array(boxes)
        sizes = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
        for box, label, size in zip(boxes, labels, sizes):
            off = np.abs(image.boxes - box).max(axis=1) + 99 * (image.labels != label)
            if size < 37:  # and so fits into the overlap of tiles
                assert off.min() <= 3
                assert (off < 4).sum() == 1
                level = image.levels[off.argmin()]
                assert level == 0 if size < 14 else level in (0, 1)
    wide = inferencer(tmp_path, CHIPS_CONFIG, levels=[1.0], tile_size=-1)
    for image in wide.detect(folder):
        check(image, *truth[image.name], tolerance=1e-3)


def test_answers_like_det_inferencer(painted, tmp_path):
    folder, truth = painted
    infer = inferencer(tmp_path)
    path = folder / '0.png'
    out = tmp_path / 'out'
    answer = infer(path, return_vis=True, out_dir=out, no_save_pred=False)
    (prediction,), (picture,) = answer['predictions'], answer['visualization']
    assert set(prediction) == {'labels', 'scores', 'bboxes'}
    assert json.loads((out / 'preds' / '0.png.json').read_text()) == prediction
    assert (out / 'pictures' / '0.png.jpg').is_file()
    assert picture.dtype == np.uint8 and picture.ndim == 3
    red = (picture[..., 0] > 200) & (picture[..., 1] < 60) & (picture[..., 2] < 60)
    assert red.any() == (0 in prediction['labels'])
    (sample,) = infer(path, return_datasamples=True)['predictions']
    assert sample.ori_shape == (80, 100) and sample.img_path == str(path)
    assert sample.pred_instances.bboxes.tolist() == prediction['bboxes']
    assert infer([folder / '0.png', folder / '2.png'], batch_size=1)['visualization'] == []


def test_masks(tmp_path):
    boxes, labels = random_boxes((300, 200), 8)
    path = tmp_path / 'in' / 'a.png'
    pixels = paint(path, (300, 200), boxes, labels)
    config = CONFIG.replace("type='RectangleFinder',", "type='RectangleFinder', masks=True,")
    infer = inferencer(tmp_path, config, levels=[1.0], tile_size=96, tile_overlap=0.5)
    from pycocotools import mask as mask_util

    (image,) = infer.detect(path)
    assert len(image) > 3
    for box, mask in zip(image.boxes.astype(int), image.masks):
        left, top, right, bottom = box
        expected = np.zeros((200, 300), bool)
        expected[top:bottom, left:right] = True
        assert (mask_util.decode(mask).astype(bool) == expected).all()
        assert (pixels[expected] == pixels[top, left]).all()


def test_scores_and_classes(painted, tmp_path):
    folder, truth = painted
    infer = inferencer(tmp_path, classes=['blue', 'green'], score_thr=0.52)
    for image in infer.detect(folder):
        assert set(image.labels.tolist()) <= {1, 2}
        assert (image.scores >= 0.52).all()
    assert infer.counts['images'] == len(truth)


def test_broken_pictures_among_good_ones(painted, tmp_path):
    folder, truth = painted
    good = (folder / '0.png').read_bytes()
    (folder / '1a.png').write_bytes(good[: len(good) // 2])
    (folder / '1b.png').write_bytes(b'')
    infer = inferencer(tmp_path, num_workers=0)
    predictions = infer(folder)['predictions']
    faults = [each['fault'] for each in predictions if 'fault' in each]
    assert len(predictions) == len(truth) + 2 and len(faults) == 2
    assert '1a.png' in faults[0] and '1b.png' in faults[1]
    with pytest.raises(InputError, match=r'1a\.png'):
        infer(folder / '1a.png')


def test_tiles_without_anything_are_not_looked_at(tmp_path):
    pixels = paint(tmp_path / 'a.png', (900, 300), [(10, 10, 30, 30)], [0])
    pixels[:, 450:] = 0
    infer = inferencer(tmp_path)
    (image,) = infer.detect(pixels)
    assert infer.counts['empty'] > 2 and infer.counts['views'] > infer.counts['empty']
    assert image.boxes.tolist() == [[10, 10, 30, 30]]
    (image,) = infer.detect(np.zeros_like(pixels))
    assert len(image) == 0 and image.fault is None


@pytest.mark.parametrize(
    'settings, sentence',
    [
        (dict(tile_size=8), 'tile_size=8 is too small'),
        (dict(tile_overlap=1.0), 'tile_overlap=1.0'),
        (dict(levels=[1.0, 0.5], valid_ranges=[(-1, -1)]), 'levels has 2 entries'),
        (dict(valid_ranges=[(-1, -1)]), 'give levels'),
        (dict(classes=['bleu']), "no class 'bleu': did you mean blue"),
        (dict(classes=[]), 'classes is empty'),
        (dict(merge='best'), "nms type 'best'"),
        (dict(score_thr=1.5), 'score_thr=1.5'),
        (dict(batch_size=0), 'batch_size=0'),
    ],
)
def test_impossible_settings(tmp_path, settings, sentence):
    with pytest.raises(InputError, match=sentence):
        inferencer(tmp_path, **settings)


def test_impossible_inputs(tmp_path):
    infer = inferencer(tmp_path)
    (tmp_path / 'empty').mkdir()
    for given, sentence in (
        (tmp_path / 'nowhere', 'does not exist'),
        (tmp_path / 'empty', 'has no picture'),
        (str(tmp_path / '*.jpg'), 'no picture or video matches'),
        ([], 'the list of inputs is empty'),
        (3, 'type int'),
        (np.zeros((4, 4, 4), np.uint8), r'shape \(4, 4, 4\)'),
        (np.zeros((4, 4, 3), np.float32), 'float32'),
    ):
        with pytest.raises(InputError, match=sentence):
            infer(given)


def test_models_in_other_forms(painted, tmp_path):
    folder, _ = painted
    config, weights = write_detector(tmp_path)
    quiet = dict(show_progress=False, device='cpu')
    expected = PyramidInferencer(config, weights, **quiet)(folder / '2.png')
    built = load_detector(config, weights, 'cpu').model
    for model, given in (
        (None, weights),
        (Config.fromfile(config), weights),
        (str(config), str(weights)),
    ):
        assert PyramidInferencer(model, given, **quiet)(folder / '2.png') == expected
    built.cfg = Config.fromfile(config)
    assert PyramidInferencer(built, **quiet)(folder / '2.png') == expected
    assert PyramidInferencer(built, **quiet).classes == CLASSES


def test_weights_that_do_not_fit(tmp_path):
    config, weights = write_detector(tmp_path)
    torch.save(dict(state_dict=dict(other=torch.zeros(1))), tmp_path / 'other.pth')
    (tmp_path / 'text.pth').write_text('no checkpoint')
    for given, sentence in (
        ('other.pth', 'of another model'),
        ('text.pth', 'cannot be read as a checkpoint'),
        ('nowhere.pth', 'does not exist'),
    ):
        with pytest.raises(InputError, match=sentence):
            PyramidInferencer(config, tmp_path / given)
    with pytest.raises(InputError, match='without weights'):
        PyramidInferencer(config)
    with pytest.raises(InputError, match='give a config'):
        PyramidInferencer()
    with pytest.raises(InputError, match='does not exist'):
        PyramidInferencer('nowhere.py', weights)
