"""Parts of JPEGs against parts of what the whole ones decode to."""

import cv2
import numpy as np
import pytest
from image_files import encoded, photograph

from mmsniper.images.jpeg_cut import JpegCutter

_FACTORS = ['411', '420', '422', '440', '444', 'grey']
_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


def _encoded(image, factors, *, quality=80, optimize=0, interval=0, progressive=0):
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, optimize]
    flags += [cv2.IMWRITE_JPEG_RST_INTERVAL, interval, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
    if factors == 'grey':
        return encoded('.jpg', image[:, :, 0].copy(), *flags)
    flags += [
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        getattr(cv2, f'IMWRITE_JPEG_SAMPLING_FACTOR_{factors}'),
    ]
    return encoded('.jpg', image, *flags)


def _decoded(content, reduction):
    return cv2.imdecode(np.frombuffer(content, np.uint8), _FLAGS[reduction])


def _windows(shape, count, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        left, right = np.sort(rng.choice(shape[1] + 1, 2, replace=False)).tolist()
        top, bottom = np.sort(rng.choice(shape[0] + 1, 2, replace=False)).tolist()
        yield left, top, right, bottom
    yield 0, 0, shape[1], shape[0]
    yield shape[1] - 1, shape[0] - 1, shape[1], shape[0]


def _check(content, cutter, window):
    part, x, y = cutter.cut(window)
    left, top, right, bottom = window
    for reduction in _FLAGS:
        assert x % reduction == y % reduction == 0
        whole, pixels = _decoded(content, reduction), _decoded(part, reduction)
        left_, top_ = left // reduction, top // reduction
        right_, bottom_ = -(-right // reduction), -(-bottom // reduction)
        x_, y_ = x // reduction, y // reduction
        np.testing.assert_array_equal(
            pixels[top_ - y_ : bottom_ - y_, left_ - x_ : right_ - x_],
            whole[top_:bottom_, left_:right_],
            f'{window} at 1/{reduction}',
        )


@pytest.mark.parametrize('factors', _FACTORS)
@pytest.mark.parametrize('interval', [0, 1, 7, 64])
@pytest.mark.parametrize('shape', [(301, 403), (64, 64), (17, 500), (500, 9)])
def test_parts_decode_to_parts_to_the_last_digit(factors, interval, shape):
    for quality in (60, 100):
        content = _encoded(photograph(*shape), factors, quality=quality, interval=interval)
        cutter = JpegCutter(content)
        for window in _windows(shape, 6):
            _check(content, cutter, window)


@pytest.mark.parametrize('factors', _FACTORS)
def test_tables_made_for_a_file(factors):
    """They may lack a code that a part needs, which is said, or all is well."""
    content = _encoded(photograph(300, 400), factors, optimize=1)
    cutter, done = JpegCutter(content), 0
    for window in _windows((300, 400), 20):
        try:
            _check(content, cutter, window)
            done += 1
        except ValueError as error:
            assert 'cannot be copied' in str(error)
    assert done > 10


def test_where_rows_begin_is_found_once():
    content = _encoded(photograph(301, 403), '420')
    first = JpegCutter(content)
    assert first.known_share == 0
    first.cut((100, 140, 200, 160))
    known = first.starts.copy()
    assert 0.4 < first.known_share < 0.7
    again = JpegCutter(content, first.starts)
    for window in _windows((301, 403), 6):
        _check(content, again, window)
    assert (again.starts[known[:, 0] > 0] == known[known[:, 0] > 0]).all()
    # The same as from a walk through all of it.
    other = JpegCutter(content)
    other.cut((0, 290, 5, 301))
    last = np.count_nonzero(other.starts[:, 0])
    np.testing.assert_array_equal(again.starts[:last], other.starts[:last])


def test_texts_and_thumbnails_are_left_behind():
    content = _encoded(photograph(64, 64), '420')
    text = b'\xff\xe1' + (60002).to_bytes(2, 'big') + bytes(60000)
    cutter = JpegCutter(content[:2] + text + content[2:])
    assert len(cutter.cut((0, 0, 8, 8))[0]) < 3000


@pytest.mark.parametrize('kind', ['progressive', 'empty', 'no image', 'cut short'])
def test_files_of_other_kinds(kind):
    content = _encoded(photograph(64, 64), '420', progressive=int(kind == 'progressive'))
    content = {'empty': b'', 'no image': b'\xff\xd8\xff\xd9', 'cut short': content[:300]}.get(
        kind, content
    )
    with pytest.raises(ValueError):
        JpegCutter(content).cut((0, 0, 64, 64))


def test_damage_of_every_kind_ends_in_an_error_or_an_image():
    """No byte makes it read or write outside of its arrays, or go on for ever."""
    for interval in (0, 7):
        content = _encoded(photograph(120, 160), '420', interval=interval)
        rng = np.random.default_rng(0)
        for _ in range(400):
            damaged = bytearray(content)
            for position in rng.integers(2, len(content), rng.integers(1, 30)):
                damaged[position] = rng.integers(0, 256)
            damaged = bytes(damaged[: rng.integers(len(content) // 2, len(content))]) + b'\xff\xd9'
            try:
                part, _, _ = JpegCutter(damaged).cut((10, 60, 90, 110))
            except ValueError:
                continue
            assert part.startswith(b'\xff\xd8') and part.endswith(b'\xff\xd9')
