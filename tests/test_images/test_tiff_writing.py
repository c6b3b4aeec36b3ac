"""TIFFs that are written piece by piece, as others read them."""

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from mmsniper.images.tiff import TiffTags
from mmsniper.images.tiff_writing import TiffWriter


def written(images, big, unfinished=False):
    """Each image, (h, w) uint8, as one strip."""
    file = io.BytesIO()
    writer = TiffWriter(file)
    listed = []
    for image in images:
        height, width = image.shape
        numbers = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 277: 1, 278: height}
        tags = {tag: np.array([value], np.uint16) for tag, value in numbers.items()}
        tags[273] = np.array([writer.append(image.tobytes())], np.uint64)
        tags[279] = np.array([image.size], np.uint32)
        tags[270] = b'of a length that no entry has room for'
        tags[305] = b'abc'
        tags[33550] = np.array([0.5, 0.25, 1])
        tags[532] = np.array([[7, 2], [9, 4]], np.uint32)
        listed.append(tags)
    if not unfinished:
        writer.finish(listed, big)
    return file.getvalue()


@pytest.mark.parametrize('big', [False, True])
def test_all_images_and_tags_are_found(big):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, shape, np.uint8) for shape in ((5, 7), (3, 3), (1, 1))]
    content = written(images, big)
    assert content[2] == (43 if big else 42)
    found, pages = cv2.imdecodemulti(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert found
    assert len(pages) == 3
    for image, page in zip(images, pages):
        np.testing.assert_array_equal(page, image)
    assert TiffTags(content).numbers(257).tolist() == [5]
    with Image.open(io.BytesIO(content)) as picture:
        for number, image in enumerate(images):
            picture.seek(number)
            np.testing.assert_array_equal(np.array(picture), image)
            assert picture.tag_v2[270] == 'of a length that no entry has room for'
            assert picture.tag_v2[305] == 'abc'
            assert picture.tag_v2[33550] == (0.5, 0.25, 1)
            assert tuple(map(float, picture.tag_v2[532])) == (3.5, 2.25)


def test_pieces_behind_four_gigabytes_make_it_a_big_tiff():
    class Sparse(io.BytesIO):
        """Keeps the end only."""

        def write(self, content):
            return len(content) if len(content) > 2**20 else super().write(content)

    file = Sparse()
    writer = TiffWriter(file)
    piece = memoryview(bytes(2**26))
    starts = [writer.append(piece) for _ in range(65)]
    assert starts[-1] == 16 + 2**32
    writer.finish([{273: np.array(starts, np.uint64)}])
    content = file.getvalue()
    mark, number, _, _, start = struct.unpack('<2s3HQ', content[:16])
    assert (mark, number) == (b'II', 43)
    np.testing.assert_array_equal(np.frombuffer(content, '<u8', 65, 16), starts)
    assert start == 16 + 65 * (2**26 + 8)


def test_what_is_not_finished_is_no_tiff():
    content = written([np.zeros((5, 7), np.uint8)], False, unfinished=True)
    assert not any(content[:16])
