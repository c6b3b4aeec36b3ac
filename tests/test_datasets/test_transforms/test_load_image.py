import cv2
import numpy as np
import pytest
from image_files import DAMAGE_SHOWS
from mmengine.logging import MMLogger
from PIL import Image

from mmsniper.datasets import BrokenImageError, LoadIntactImage
from mmsniper.errors import InputError


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


def test_colour_under_alpha_is_the_same_in_every_format(tmp_path, image):
    alpha = np.random.default_rng(1).integers(0, 256, (40, 60, 1), np.uint8)
    picture = Image.fromarray(np.dstack([image[:, :, ::-1], alpha]))
    for suffix, options in (('png', {}), ('tif', {}), ('webp', dict(lossless=True, exact=True))):
        path = tmp_path / f'image.{suffix}'
        picture.save(path, **options)
        assert (load(path) == image).all(), suffix


def test_12_bits_in_16_are_not_loaded_nearly_black(tmp_path, image):
    for suffix in ('png', 'tif'):
        path = tmp_path / f'image.{suffix}'
        cv2.imwrite(str(path), image.astype(np.uint16) * 16)
        with pytest.raises(InputError, match=rf'image\.{suffix} has 16 bits .* nearly black'):
            load(path)
        assert (load(path, depth_range=(0, 4095)) == image).all()
    with pytest.raises(InputError, match='depth_range'):
        LoadIntactImage(depth_range=4095)
    assert 'depth_range=(0, 4095)' in repr(LoadIntactImage(depth_range=(0, 4095)))


@pytest.mark.parametrize('suffix', ['jpg', pytest.param('tif', marks=DAMAGE_SHOWS)])
def test_damage_in_the_middle_is_noticed(tmp_path, suffix):
    path = tmp_path / f'image.{suffix}'
    picture = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    cv2.imwrite(str(path), picture)
    assert load(path).shape == (200, 200, 3)
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes(512) + content[middle + 512 :])
    with pytest.raises(BrokenImageError, match=rf'image\.{suffix} is damaged'):
        load(path)


def turned(path, image, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image[:, :, ::-1]).save(path, exif=exif)
    return dict(img_path=str(path), height=image.shape[0], width=image.shape[1])


@pytest.fixture
def warnings(caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


@pytest.mark.parametrize('orientation', range(1, 9))
def test_turning_that_no_size_confirms_is_said_once(tmp_path, image, orientation, warnings):
    square = turned(tmp_path / 'square.png', image[:, :40], orientation)
    loading = LoadIntactImage()
    for _ in range(2):
        loading(dict(square))
    if orientation == 1:
        assert not warnings.text
        return
    assert warnings.text.count(f'square.png was turned as its EXIF orientation {orientation}') == 1
    assert "color_type='color_ignore_orientation'" in warnings.text
    warnings.clear()
    stored = LoadIntactImage(color_type='color_ignore_orientation')(dict(square))['img']
    assert (stored == image[:, :40]).all()
    assert not warnings.text
    # Where the size tells, ChipSample compares it; where there is no annotation, nothing can.
    wide = turned(tmp_path / 'wide.png', image, orientation)
    LoadIntactImage()(wide)
    assert ('wide.png was turned' in warnings.text) == (orientation < 5)
    warnings.clear()
    LoadIntactImage()(dict(img_path=square['img_path']))
    assert not warnings.text


def test_settings_are_checked_before_any_image(tmp_path):
    with pytest.raises(InputError, match='color_type'):
        LoadIntactImage(color_type='colour')
    with pytest.raises(InputError, match='imdecode_backend'):
        LoadIntactImage(imdecode_backend='opencv')
