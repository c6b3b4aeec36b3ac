import io

import cv2
import numpy as np
import pytest
from image_files import encoded, photograph, tiff
from PIL import Image, ImageOps

from mmsniper.images import decode_image, keeps_size, stored_orientation

PICTURES = [photograph(48, 64), photograph(48, 48)]


def with_orientation(kind, image, orientation):
    """A file whose pixels are stored as they are, with a tag; and how they look upright, BGR."""
    file = io.BytesIO()
    picture = Image.fromarray(image[:, :, ::-1])
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = dict(lossless=True) if kind == 'WEBP' else {}
    picture.save(file, kind, exif=exif, **options)
    picture.getexif()[0x0112] = orientation
    return file.getvalue(), np.array(ImageOps.exif_transpose(picture))[:, :, ::-1]


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@pytest.mark.parametrize('kind', ['PNG', 'WEBP', 'TIFF'])
@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('image', PICTURES, ids=['wide', 'square'])
def test_every_orientation_in_every_format(kind, orientation, image, backend):
    content, upright = with_orientation(kind, image, orientation)
    assert stored_orientation(content) == orientation
    turned = decode_image(content, kind, 'color', backend)
    assert turned.shape == upright.shape
    assert (turned == upright).all()
    stored = decode_image(content, kind, 'color_ignore_orientation', backend)
    assert (stored == image).all()
    assert (decode_image(content, kind, 'unchanged', backend) == image).all()
    grey = decode_image(content, kind, 'grayscale_ignore_orientation', backend)
    assert grey.shape == image.shape[:2]
    assert keeps_size(orientation, image.shape) == (
        orientation != 1 and upright.shape == image.shape
    )


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_jpegs(orientation, backend):
    for image in PICTURES:
        content, _ = with_orientation('JPEG', image, orientation)
        with Image.open(io.BytesIO(content)) as picture:
            stored, upright = np.array(picture), np.array(ImageOps.exif_transpose(picture))
        decoded = decode_image(content, 'jpeg', 'color', backend)
        assert decoded.flags.c_contiguous or backend == 'pillow'
        assert np.abs(decoded[:, :, ::-1].astype(int) - upright).max() <= 2  # other rounding
        decoded = decode_image(content, 'jpeg', 'color_ignore_orientation', backend)
        assert np.abs(decoded[:, :, ::-1].astype(int) - stored).max() <= 2


@pytest.mark.parametrize('order', '<>')
@pytest.mark.parametrize('big', [False, True])
def test_tiffs_of_every_kind(order, big):
    for orientation in range(1, 9):
        content = tiff(PICTURES[0][:, :, ::-1], order, big, t274=[orientation])
        assert stored_orientation(content) == orientation
        stored = decode_image(content, 'tiff', 'color_ignore_orientation')
        assert (stored == PICTURES[0]).all()


def test_a_decoder_that_never_turns(monkeypatch):
    class Decoder:
        def decode(self, content, flag):
            return cv2.imdecode(
                np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
            )

    monkeypatch.setattr('mmcv.image.io.jpeg', Decoder())
    content, _ = with_orientation('JPEG', PICTURES[0], 6)
    for color_type in ('color', 'color_ignore_orientation'):
        turned = decode_image(content, 'jpeg', color_type, 'turbojpeg')
        assert (turned == decode_image(content, 'jpeg', color_type)).all()


def test_tags_that_say_nothing():
    content, _ = with_orientation('JPEG', PICTURES[0], 6)
    assert stored_orientation(content) == 6
    assert stored_orientation(encoded('.jpg', PICTURES[0])) == 1
    for wrong in (0, 9, 300):
        assert stored_orientation(with_orientation('JPEG', PICTURES[0], wrong)[0]) == 1
    start = content.index(b'Exif\0\0') + 6
    for length in range(4, 22):  # a list of tags that ends early
        broken = content[: start + length] + b'\xff' * (28 - length) + content[start + 28 :]
        assert stored_orientation(broken) in (1, 6)
    for start in (
        b'',
        b'\xff\xd8',
        b'\xff\xd8\xff',
        b'II*\0',
        b'RIFF1234WEBP',
        b'\x89PNG\r\n\x1a\n',
    ):
        assert stored_orientation(start) == 1
        assert stored_orientation(start + b'\xff' * 50) == 1
