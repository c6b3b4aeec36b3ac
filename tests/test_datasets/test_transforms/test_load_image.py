import cv2
import numpy as np
import pytest
from PIL import Image

from mmsniper.datasets import BrokenImageError, LoadIntactImage


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def load(path, **kwargs):
    return LoadIntactImage(**kwargs)(dict(img_path=str(path)))['img']


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'bmp', 'tif', 'webp'])
def test_whole_files_load(tmp_path, image, suffix):
    path = tmp_path / f'image.{suffix}'
    cv2.imwrite(str(path), image)
    assert (load(path) == cv2.imread(str(path))).all()


@pytest.mark.parametrize('suffix', ['jpg', 'png'])
@pytest.mark.parametrize('share', [0.01, 0.3, 0.8, 0.99])
def test_files_cut_short_are_named(tmp_path, image, suffix, share):
    path = tmp_path / f'image.{suffix}'
    cv2.imwrite(str(path), image)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BrokenImageError, match=f'image.{suffix}'):
        load(path)


def test_a_jpeg_with_a_thumbnail_cut_short_is_noticed(tmp_path, image):
    path = tmp_path / 'image.jpg'
    thumbnail = cv2.imencode('.jpg', image[:8, :8])[1].tobytes()
    picture = Image.fromarray(image)
    # The thumbnail stands in an application segment before the image's own scan.
    picture.save(path, comment=thumbnail)
    content = path.read_bytes()
    assert thumbnail in content
    assert load(path).shape == (40, 60, 3)
    path.write_bytes(content[:-200])
    with pytest.raises(BrokenImageError, match='cut short'):
        load(path)
    path.write_bytes(content + b'\0' * 100)  # padding behind the end does no harm
    assert load(path).shape == (40, 60, 3)


def test_missing_empty_and_other_files_are_named(tmp_path):
    with pytest.raises(BrokenImageError, match='none.jpg does not exist; check'):
        load(tmp_path / 'none.jpg')
    (tmp_path / 'empty.jpg').touch()
    with pytest.raises(BrokenImageError, match='empty.jpg is cut short'):
        load(tmp_path / 'empty.jpg')
    (tmp_path / 'text.jpg').write_text('no image at all')
    with pytest.raises(BrokenImageError, match='text.jpg is not an image'):
        load(tmp_path / 'text.jpg')


def test_16_bit_grey_and_rgba_files_become_8_bit_colour(tmp_path, image):
    cv2.imwrite(str(tmp_path / 'deep.png'), image.astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / 'grey.png'), image[:, :, 0])
    cv2.imwrite(str(tmp_path / 'rgba.png'), np.dstack([image, np.full((40, 60), 128, np.uint8)]))
    assert (load(tmp_path / 'deep.png') == image).all()
    assert (load(tmp_path / 'grey.png') == image[:, :, :1]).all()
    assert (load(tmp_path / 'rgba.png') == image).all()
    assert load(tmp_path / 'deep.png', color_type='unchanged').dtype == np.uint16
    assert load(tmp_path / 'grey.png', to_float32=True).dtype == np.float32


@pytest.mark.parametrize('suffix', ['jpg', 'png'])
def test_what_stands_behind_the_image_does_no_harm(tmp_path, image, suffix):
    rng = np.random.default_rng(0)
    path = tmp_path / f'image.{suffix}'
    cv2.imwrite(str(path), image)
    content = path.read_bytes()
    for _ in range(20):
        path.write_bytes(content + rng.bytes(200_000))
        assert load(path).shape == (40, 60, 3)


def test_progressive_jpegs_with_restart_markers(tmp_path, image):
    path = tmp_path / 'image.jpg'
    flags = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2]
    cv2.imwrite(str(path), image, flags)
    content = path.read_bytes()
    path.write_bytes(content + b'trailer')
    assert load(path).shape == (40, 60, 3)
    for length in range(2, len(content), 97):
        path.write_bytes(content[:length])
        with pytest.raises(BrokenImageError, match='cut short'):
            load(path)
