import os
from dataclasses import replace

import cv2
import numpy as np
import pycocotools.mask as mask_util
import pytest

from mmsniper.errors import InputError
from mmsniper.inference import ImageDetections, pictures
from mmsniper.inference.closeups import choose_closeups, in_window
from mmsniper.inference.pictures import Pictures
from mmsniper.visualization.colours import class_colour

CLASSES = ('car', 'ship', 'tree')


def found(boxes, size, name='a.png', path=None, labels=None, masks=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    count = len(boxes)
    scores = np.linspace(0.9, 0.4, count, dtype=np.float32)
    labels = np.zeros(count, np.int64) if labels is None else np.array(labels)
    levels = np.zeros(count, np.int64)
    return ImageDetections(0, name, path, *size, boxes, scores, labels, levels, masks)


def scattered(count, size, seed=0, **more):
    generator = np.random.default_rng(seed)
    corner = generator.uniform(0, np.array(size) - 40, (count, 2))
    boxes = np.concatenate([corner, corner + generator.uniform(10, 40, (count, 2))], axis=1)
    return found(boxes, size, labels=generator.integers(0, 3, count), **more)


@pytest.fixture
def small_limits(monkeypatch):
    """Images of 600x400 pixels and more are huge ones."""
    monkeypatch.setattr(pictures, 'HUGE', 200_000)
    monkeypatch.setattr(pictures, 'OVERVIEW_SIDE', 300)


def files_below(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.rglob('*') if file.is_file())


def test_pictures_lie_below_the_names_of_their_images(tmp_path):
    pixels = np.full((480, 640, 3), 90, np.uint8)
    for name in ('north/a.jpg', 'north/a.png', 'clip.mp4/000012', 'image-000000'):
        Pictures(tmp_path, CLASSES).write(found([[50, 60, 200, 300]], (640, 480), name), pixels)
    assert files_below(tmp_path / 'pictures') == [
        'clip.mp4/000012.jpg',
        'image-000000.jpg',
        'north/a.jpg.jpg',
        'north/a.png.jpg',
    ]
    drawn = cv2.imread(str(tmp_path / 'pictures/north/a.png.jpg'))
    assert drawn.shape == pixels.shape


@pytest.mark.parametrize('name', ['/a.png', '../a.png', 'b/../../a.png', ''])
def test_nothing_is_written_outside_of_the_folder(tmp_path, name):
    image = found([], (60, 40), name)
    with pytest.raises(InputError, match='must be a path below a folder'):
        Pictures(tmp_path / 'out', CLASSES).write(image, np.zeros((40, 60, 3), np.uint8))
    assert files_below(tmp_path) == []


def test_an_image_with_a_fault_has_no_picture(tmp_path):
    Pictures(tmp_path, CLASSES).write(ImageDetections.broken(0, 'a.png', 'a.png', 'it is broken.'))
    assert files_below(tmp_path) == []


def test_an_image_is_read_from_its_file_as_the_rules_say(tmp_path):
    file = tmp_path / 'deep.png'
    cv2.imwrite(str(file), np.full((480, 640), 40000, np.uint16))
    image = found([], (640, 480), path=str(file))
    dark = pictures.PixelRules(depth_range=(30000, 65535))
    plain, ranged = (Pictures(tmp_path, CLASSES, rules=rules).draw(image) for rules in (None, dark))
    assert plain.shape == ranged.shape == (480, 640, 3)
    assert abs(int(plain[0, 0, 0]) - 156) <= 1
    assert abs(int(ranged[0, 0, 0]) - 72) <= 1


def test_pixels_are_needed_of_an_array_and_must_be_those_of_the_image(tmp_path):
    image = found([], (60, 40), 'image-000000')
    with pytest.raises(InputError, match='give its pixels'):
        Pictures(tmp_path, CLASSES).draw(image)
    with pytest.raises(InputError, match='has 60x40 pixels, but those to draw it from are 40x60'):
        Pictures(tmp_path, CLASSES).draw(image, np.zeros((60, 40, 3), np.uint8))
    with pytest.raises(InputError, match='must be one of class, level'):
        Pictures(tmp_path, CLASSES, 'score')


def test_small_images_are_enlarged_with_their_boxes_and_masks(tmp_path):
    bitmap = np.zeros((40, 60), np.uint8)
    bitmap[12:30, 10:40] = 1
    mask = mask_util.encode(np.asfortranarray(bitmap))
    image = found([[10, 12, 40, 30]], (60, 40), masks=[mask])
    drawn = Pictures(tmp_path, CLASSES).draw(image, np.full((40, 60, 3), 90, np.uint8))
    assert drawn.shape == (320, 480, 3)
    columns = np.flatnonzero((drawn[170] == class_colour(0)).all(axis=1))
    assert abs(columns.min() - 80) <= 1
    assert abs(columns.max() - 319) <= 1
    assert (drawn[200, 200] != 90).any()
    assert (drawn[300, 400] == 90).all()


def test_low_scores_are_not_drawn(tmp_path):
    image = found([[50, 60, 200, 300], [300, 60, 500, 300]], (640, 480), labels=[0, 1])
    drawn = Pictures(tmp_path, CLASSES, score_thr=0.5).draw(
        image, np.zeros((480, 640, 3), np.uint8)
    )
    assert (drawn == class_colour(0)).all(axis=2).any()
    assert not (drawn == class_colour(1)).all(axis=2).any()


def test_frames_of_a_video_have_the_same_size_whatever_is_in_them(tmp_path):
    frame = np.zeros((48, 64, 3), np.uint8)
    many = scattered(200, (64, 48))
    for drawer, is_higher in (
        (Pictures(tmp_path, CLASSES), False),
        (Pictures(tmp_path, CLASSES, 'level'), False),
        (Pictures(tmp_path, CLASSES, 'level', level_names=['fine', 'coarse']), True),
    ):
        shapes = {drawer.draw_frame(image, frame).shape for image in (many, found([], (64, 48)))}
        assert len(shapes) == 1
        height, width, _ = shapes.pop()
        assert width == 64
        assert (height > 48) == is_higher


def test_a_huge_image_has_an_overview_and_closeups(tmp_path, small_limits, monkeypatch):
    monkeypatch.setattr(choose_closeups, '__defaults__', ((120, 90), 3))
    image = scattered(80, (900, 600), name='sub/city.png', path=str(tmp_path / 'city.png'))
    pixels = np.random.default_rng(0).integers(0, 80, (600, 900, 3), np.uint8)
    cv2.imwrite(image.path, pixels)
    names = ['city.png/crop-1.jpg', 'city.png/crop-2.jpg', 'city.png/crop-3.jpg']
    names.append('city.png/overview.jpg')
    Pictures(tmp_path / 'read', CLASSES).write(image)
    Pictures(tmp_path / 'given', CLASSES).write(image, pixels)
    for kind in ('read', 'given'):
        assert files_below(tmp_path / kind / 'pictures/sub') == names
        overview = cv2.imread(str(tmp_path / kind / 'pictures/sub/city.png/overview.jpg'))
        assert overview.shape[1] == 300
        assert overview.shape[0] > 200
        crop = cv2.imread(str(tmp_path / kind / 'pictures/sub/city.png/crop-1.jpg'))
        assert crop.shape[1] == 120
    assert Pictures(tmp_path, CLASSES).draw(image).shape == overview.shape


def test_a_closeup_shows_the_pixels_of_its_place(tmp_path, small_limits, monkeypatch):
    monkeypatch.setattr(choose_closeups, '__defaults__', ((120, 90), 1))
    pixels = np.zeros((600, 900, 3), np.uint8)
    pixels[300:340, 500:560] = 200
    image = found([[500, 300, 560, 340]], (900, 600), name='city')
    Pictures(tmp_path, CLASSES).write(image, pixels)
    crop = cv2.imread(str(tmp_path / 'pictures/city/crop-1.jpg'))
    bright = np.argwhere((crop[:90] > 150).all(axis=2))
    # In the middle of the closeup, but for the width of a cell.
    assert np.abs((bright.min(axis=0) + bright.max(axis=0)) / 2 - (45, 60)).max() < 8
    overview = Pictures(tmp_path, CLASSES).draw(image, pixels)
    assert (overview[100:200, 167:186] == 255).all(axis=2).any()  # its frame


def test_the_same_bytes_again_and_never_half_a_file(tmp_path, small_limits, monkeypatch):
    image = scattered(60, (900, 600), name='city')
    pixels = np.random.default_rng(0).integers(0, 80, (600, 900, 3), np.uint8)
    Pictures(tmp_path / 'one', CLASSES).write(image, pixels)
    expected = {
        name: (tmp_path / 'one' / name).read_bytes() for name in files_below(tmp_path / 'one')
    }
    assert len(expected) > 1
    replaced = []

    def dying_replace(source, target):
        replaced.append(target)
        if len(replaced) > 1:
            raise KeyboardInterrupt
        os.rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, 'replace', dying_replace)
        with pytest.raises(KeyboardInterrupt):
            Pictures(tmp_path / 'two', CLASSES).write(image, pixels)
    assert not (tmp_path / 'two/pictures/city/overview.jpg').exists()
    Pictures(tmp_path / 'two', CLASSES).write(image, pixels)
    for name, content in expected.items():
        assert (tmp_path / 'two' / name).read_bytes() == content


def test_closeups_do_not_overlap_lie_inside_and_the_richest_comes_first():
    for seed in range(5):
        image = scattered(200, (3000, 2000), seed)
        windows = choose_closeups(image, (500, 400), 8)
        assert len(windows) == 8
        assert (windows[:, :2] >= 0).all()
        assert (windows[:, 2:] <= (3000, 2000)).all()
        assert (windows[:, 2:] - windows[:, :2] == (500, 400)).all()
        for index, (left, top, right, bottom) in enumerate(windows):
            for other in windows[:index]:
                assert (
                    right <= other[0] or left >= other[2] or bottom <= other[1] or top >= other[3]
                )
        counts = [len(in_window(image, window)) for window in windows]
        assert max(counts[:2]) >= max(counts) - 3


def test_closeups_show_rare_classes_and_every_object_if_they_are_few():
    crowded = np.array([[100 + 7 * i, 100, 120 + 7 * i, 130] for i in range(40)])
    corners = np.array([[0, 0, 9, 9], [2990, 0, 3000, 9], [2990, 1990, 3000, 2000]])
    image = found(np.concatenate([crowded, corners]), (3000, 2000), labels=[0] * 40 + [1, 1, 2])
    windows = choose_closeups(image, (500, 400), 8)
    for box in image.boxes:
        inside = (windows[:, :2] <= box[:2]) & (windows[:, 2:] >= box[2:])
        assert inside.all(axis=1).any()
    assert len(windows) == 3
    assert choose_closeups(found([], (3000, 2000))).shape == (0, 4)


def test_closeups_of_narrow_images_are_as_narrow():
    windows = choose_closeups(scattered(50, (9000, 60)), (500, 400), 4)
    assert (windows[:, [1, 3]] == (0, 60)).all()


@pytest.mark.parametrize('size', [None, (40, 20), (320, 240)])
def test_what_lies_in_a_window_has_its_pixels(size):
    generator = np.random.default_rng(3)
    bitmaps = (generator.uniform(size=(12, 200, 300)) > 0.4).astype(np.uint8)
    image = scattered(12, (300, 200))
    for bitmap, box in zip(bitmaps, np.rint(image.boxes).astype(int)):
        keep = np.zeros((200, 300), bool)
        keep[box[1] : box[3], box[0] : box[2]] = True
        bitmap[~keep] = 0
    masks = [mask_util.encode(np.asfortranarray(bitmap)) for bitmap in bitmaps]
    image = replace(image, masks=masks)
    left, top, right, bottom = window = (60, 30, 220, 150)
    there = in_window(image, window, size)
    width, height = size or (160, 120)
    assert (there.width, there.height) == (width, height)
    shown = [
        index
        for index, box in enumerate(image.boxes)
        if box[0] < right and box[2] > left and box[1] < bottom and box[3] > top
    ]
    assert 0 < len(shown) == len(there) < 12
    rows = ((2 * np.arange(height) + 1) * 120) // (2 * height)
    columns = ((2 * np.arange(width) + 1) * 160) // (2 * width)
    for index, box, mask in zip(shown, there.boxes, there.masks):
        factors = [width / 160, height / 120] * 2
        expected = (image.boxes[index] - [left, top, left, top]) * factors
        np.testing.assert_allclose(box, expected, rtol=1e-5, atol=1e-4)
        cut = bitmaps[index][top:bottom, left:right][rows[:, None], columns]
        assert (mask_util.decode(mask) == cut).all()


@pytest.mark.parametrize('kind', ['jpg', 'png', 'tif'])
def test_an_overview_read_in_strips_is_that_of_all_pixels(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(pictures, 'HUGE', 50_000)
    monkeypatch.setattr(pictures, 'STRIP', 30_000)
    monkeypatch.setattr(pictures, 'OVERVIEW_SIDE', 100)
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 255, (13, 20, 3), np.uint8)
    pixels = cv2.resize(coarse, (500, 333), interpolation=cv2.INTER_CUBIC)
    file = tmp_path / f'a.{kind}'
    if kind == 'tif':
        tifffile = pytest.importorskip('tifffile')
        tifffile.imwrite(file, pixels[..., ::-1], tile=(64, 64), photometric='rgb')
    else:
        cv2.imwrite(str(file), pixels, [cv2.IMWRITE_JPEG_QUALITY, 100])
    image = found([], (500, 333), path=str(file))
    decoded = []
    read = pictures.read_window

    def read_window(path, window=None, size=None, **options):
        part = read(path, window, size, **options)
        decoded.append(part.shape[0] * part.shape[1])
        return part

    monkeypatch.setattr(pictures, 'read_window', read_window)
    drawn = Pictures(tmp_path, CLASSES).draw(image)
    expected = Pictures(tmp_path, CLASSES).draw(image, pixels)
    assert drawn.shape == expected.shape
    assert np.abs(drawn.astype(int) - expected).mean() < 3
    if kind == 'tif':
        assert len(decoded) > 4
        assert max(decoded) < 40_000
    else:
        assert len(decoded) == 1
