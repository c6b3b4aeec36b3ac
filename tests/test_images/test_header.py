"""Sizes by the header alone."""

import io

import cv2
import pytest
from image_files import photograph, tiff
from PIL import Image

from mmsniper.errors import InputError
from mmsniper.images import header, image_size, stated_image_size

KINDS = 'JPEG', 'PNG', 'WEBP', 'TIFF', 'BMP', 'GIF'


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('orientation', range(1, 9))
def test_it_is_the_size_that_is_loaded(tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    options = {} if kind in ('BMP', 'GIF') else dict(exif=exif)
    Image.fromarray(photograph(48, 64)).save(file, kind, **options)
    path = tmp_path / 'picture'
    path.write_bytes(file.getvalue())
    turned = options and orientation >= 5
    assert stated_image_size(path) == ((48, 64) if turned else (64, 48))
    assert stated_image_size(path) == image_size(path)


@pytest.mark.parametrize('order', '<>')
@pytest.mark.parametrize('big', [False, True])
def test_tiffs(tmp_path, order, big):
    path = tmp_path / 'picture.tif'
    path.write_bytes(tiff(photograph(48, 64), order, big, t274=[6]))
    assert stated_image_size(path) == image_size(path) == (48, 64)


@pytest.mark.parametrize('kind', ['.jpg', '.png'])
def test_nothing_is_decoded(tmp_path, monkeypatch, kind):
    """So a cut picture has its size as well; what loads it says that it is damaged."""
    path = tmp_path / f'picture{kind}'
    cv2.imwrite(str(path), photograph(480, 640))
    monkeypatch.setattr(header, 'image_size', None)
    path.write_bytes(path.read_bytes()[:5000])
    assert stated_image_size(path) == (640, 480)


@pytest.mark.parametrize('content', [None, b'', b'no picture', b'\xff\xd8\xff\xe0'])
def test_what_is_no_picture(tmp_path, content):
    path = tmp_path / 'picture.jpg'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r'picture\.jpg'):
        stated_image_size(path)
