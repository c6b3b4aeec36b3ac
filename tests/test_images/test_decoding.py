import io

import cv2
import numpy as np
import pytest
from image_files import encoded, photograph, tiff
from PIL import Image

from mmsniper.errors import InputError
from mmsniper.images import BrokenImageError, check_decoding, decode_image, read_image

RGBA = np.dstack(
    [photograph(48, 64), np.random.default_rng(1).integers(0, 256, (48, 64), np.uint8)]
)
RGBA[0, 0, 3] = 0


def saved(array, kind, **options):
    """The bytes of a file that Pillow writes; colour is RGB."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind, **options)
    return file.getvalue()


def bgr(array):
    return array[:, :, 2::-1]


WITH_ALPHA = {
    'PNG': lambda: saved(RGBA, 'PNG'),
    '16-bit PNG': lambda: encoded('.png', RGBA[:, :, [2, 1, 0, 3]].astype(np.uint16) * 257),
    'WebP': lambda: saved(RGBA, 'WEBP', lossless=True, exact=True),
    'TIFF': lambda: saved(RGBA, 'TIFF'),
    'TIFF, LZW': lambda: saved(RGBA, 'TIFF', compression='tiff_lzw'),
    'TIFF, big-endian': lambda: tiff(RGBA, '>', t338=[2]),
    'TIFF, tiles': lambda: tiff(RGBA, tile=16, t338=[2]),
    'TIFF, 16 bits': lambda: tiff(RGBA.astype(np.uint16) * 257, t338=[2]),
    'BigTIFF': lambda: tiff(RGBA, big=True, t338=[2]),
    'TIFF, unspecified': lambda: tiff(RGBA, t338=[0]),
    'TIFF, multiplied by its writer': lambda: tiff(RGBA, t338=[1]),
}


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@pytest.mark.parametrize('kind', WITH_ALPHA)
def test_alpha_is_dropped_and_colour_stays_as_stored(kind, backend):
    content = WITH_ALPHA[kind]()
    assert (decode_image(content, kind, backend=backend) == bgr(RGBA)).all()
    ignoring = decode_image(content, kind, 'color_ignore_orientation', backend)
    assert (ignoring == bgr(RGBA)).all()


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@pytest.mark.parametrize('kind', ['PNG', 'TIFF'])
def test_grey_with_alpha(kind, backend):
    content = saved(RGBA[:, :, [0, 3]], kind)
    grey = decode_image(content, kind, 'grayscale', backend)
    assert (grey == RGBA[:, :, 0]).all()
    assert (decode_image(content, kind, backend=backend) == RGBA[:, :, :1]).all()


def test_unchanged_is_as_stored():
    for kind in ('PNG', 'TIFF', 'TIFF, tiles', 'TIFF, big-endian'):
        stored = decode_image(WITH_ALPHA[kind](), kind, 'unchanged')
        assert (stored == RGBA[:, :, [2, 1, 0, 3]]).all()
    deep = RGBA[:, :, 0].astype(np.uint16) * 16
    assert (decode_image(tiff(deep), 'deep', 'unchanged') == deep).all()
    packed = decode_image(tiff(deep, bits=12), 'packed', 'unchanged')
    assert packed.dtype == np.uint16
    assert (packed == deep).all()


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.bmp', '.tif', '.webp', '.gif'])
@pytest.mark.parametrize('flag', ['color', 'grayscale', 'unchanged'])
def test_plain_pictures_are_what_opencv_gives(suffix, flag):
    content = encoded(suffix, photograph())
    flags = dict(color=cv2.IMREAD_COLOR, grayscale=cv2.IMREAD_GRAYSCALE, unchanged=-1)
    expected = cv2.imdecode(np.frombuffer(content, np.uint8), flags[flag])
    assert (decode_image(content, suffix, flag) == expected).all()


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.tif'])
def test_pillow_gives_what_pillow_gives(suffix):
    content = encoded(suffix, photograph())
    with Image.open(io.BytesIO(content)) as picture:
        rgb, grey = np.array(picture), np.array(picture.convert('L'))
    assert (decode_image(content, suffix, backend='pillow') == bgr(rgb)).all()
    assert (decode_image(content, suffix, 'grayscale', 'pillow') == grey).all()
    assert (decode_image(content, suffix, 'unchanged', 'pillow') == bgr(rgb)).all()


def test_palettes_and_single_bits():
    colours = RGBA[:, :, :3] // 64 * 64
    palette = Image.fromarray(np.ascontiguousarray(colours)).quantize(64)
    for kind, options in (('PNG', dict(transparency=0)), ('GIF', {}), ('TIFF', {})):
        file = io.BytesIO()
        palette.save(file, kind, **options)
        expected = bgr(np.array(palette.convert('RGB')))
        assert (decode_image(file.getvalue(), kind) == expected).all()
        assert (decode_image(file.getvalue(), kind, backend='pillow') == expected).all()
    mask = RGBA[:, :, 0] > 100
    for kind in ('PNG', 'TIFF'):
        assert (decode_image(saved(mask, kind), kind, 'grayscale') == mask * 255).all()


def test_settings_that_no_image_can_be_decoded_with(tmp_path):
    with pytest.raises(InputError, match="color_type='colour' must be one of color, "):
        check_decoding('colour', 'cv2')
    with pytest.raises(InputError, match="imdecode_backend='opencv' must be one of cv2, "):
        check_decoding('color', 'opencv')
    with pytest.raises(BrokenImageError, match=r'none\.png does not exist'):
        read_image(tmp_path / 'none.png')


@pytest.mark.parametrize('backend', ['tifffile', 'turbojpeg'])
def test_a_backend_that_is_not_installed_is_no_fault_of_the_image(backend, monkeypatch):
    monkeypatch.setattr('mmcv.image.io.tifffile', None)
    monkeypatch.setattr('mmcv.image.io.TurboJPEG', None)
    with pytest.raises(InputError, match=f"'{backend}' needs .*: install it") as error:
        check_decoding('color', backend)
    assert not isinstance(error.value, BrokenImageError)
