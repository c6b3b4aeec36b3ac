import cv2
import numpy as np
import pytest
from image_files import encoded, photograph, tiff

from mmsniper.errors import InputError
from mmsniper.images import BrokenImageError, check_depth_range, decode_image

PICTURE = photograph(48, 64)
TWELVE = PICTURE.astype(np.uint16) * 16 + 7  # what a camera of 12 bits gives


def files_of(samples):
    return {'.png': encoded('.png', samples), '.tif': tiff(samples[:, :, ::-1])}


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@pytest.mark.parametrize('suffix', ['.png', '.tif'])
def test_12_bits_in_16_need_a_range_and_do_not_come_out_black(suffix, backend):
    content = files_of(TWELVE)[suffix]
    with pytest.raises(InputError, match=r'none above \d+, .*depth_range=\(0, 4095\)') as error:
        decode_image(content, 'night.png', backend=backend)
    assert not isinstance(error.value, BrokenImageError)  # not to be skipped
    image = decode_image(content, '', backend=backend, depth_range=(0, 4095))
    assert image.dtype == np.uint8
    assert (image == PICTURE).all()
    # A range is the same for every image, whatever is in it.
    dark = decode_image(files_of(TWELVE // 2)[suffix], '', depth_range=(0, 4095))
    assert (dark == TWELVE // 2 // 16).all()
    assert (decode_image(content, '', depth_range=(0, 65535)) == TWELVE // 256).all()


@pytest.mark.parametrize('suffix', ['.png', '.tif'])
def test_all_of_16_bits_stays_as_it_was(suffix):
    deep = PICTURE.astype(np.uint16) * 257
    deep[0, 0] = 65535
    content = files_of(deep)[suffix]
    assert (decode_image(content, '') == deep >> 8).all()
    assert (decode_image(content, '') == cv2.imdecode(np.frombuffer(content, np.uint8), 1)).all()
    assert (decode_image(content, '', depth_range=(0, 65535)) == deep >> 8).all()
    grey = decode_image(content, '', 'grayscale')
    assert (grey == cv2.cvtColor((deep >> 8).astype(np.uint8), cv2.COLOR_BGR2GRAY)).all()


def test_alpha_does_not_hide_that_the_colour_has_few_bits():
    opaque = np.dstack([TWELVE, np.full(TWELVE.shape[:2], 65535, np.uint16)])
    for content in (encoded('.png', opaque), tiff(opaque, t338=[2])):
        with pytest.raises(InputError, match='nearly black'):
            decode_image(content, '')


def test_samples_that_the_file_itself_says_are_shorter():
    for bits in (12, 14):
        samples = PICTURE[:, :, 0].astype(np.uint16) << (bits - 8)
        content = tiff(samples, bits=bits)
        assert (decode_image(content, '', 'grayscale') == PICTURE[:, :, 0]).all()
        lower = decode_image(content, '', 'grayscale', depth_range=(0, 2 ** (bits - 1) - 1))
        assert (lower == (PICTURE[:, :, 0].astype(int) * 2).clip(0, 255)).all()


def test_a_black_image_is_black():
    black = np.zeros((4, 6), np.uint16)
    assert not decode_image(tiff(black), '').any()


def test_real_numbers_need_a_range():
    samples = PICTURE[:, :, 0] / np.float32(255)
    samples[0, :3] = np.nan, -1, 7
    content = encoded('.tif', samples)
    with pytest.raises(InputError, match=r'type float32, from -1 to 7: .*depth_range=\(low, high'):
        decode_image(content, 'height.tif')
    image = decode_image(content, '', 'grayscale', depth_range=(0.0, 1.0))
    expected = PICTURE[:, :, 0].copy()
    expected[0, :3] = 0, 0, 255
    assert (image == expected).all()


def test_signed_numbers_need_a_range():
    samples = PICTURE[:, :, 0].astype(np.int16) * 4 - 512
    content = encoded('.tif', samples)
    with pytest.raises(InputError, match='type int16'):
        decode_image(content, 'signed.tif')
    image = decode_image(content, '', 'grayscale', depth_range=(-512, 511))
    assert (image == PICTURE[:, :, 0]).all()


def test_a_range_does_not_touch_8_bits():
    content = encoded('.png', PICTURE)
    assert (decode_image(content, '', depth_range=(0, 4095)) == PICTURE).all()


@pytest.mark.parametrize('wrong', [4095, (0,), (5, 5), (9, 1), (0, np.inf), ('a', 'b'), (0, None)])
def test_ranges_that_are_none(wrong):
    with pytest.raises(InputError, match='depth_range=.* must be the sample values'):
        check_depth_range(wrong)


def test_ranges_that_are_some():
    assert check_depth_range(None) is None
    assert check_depth_range([0, 4095]) == (0, 4095)
