import io
import os
import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest
from image_files import DAMAGE_SHOWS, encoded, photograph, tiff
from PIL import Image

from mmsniper.images import BrokenImageError, decode_image
from mmsniper.images.damage import captured_errors

PICTURE = photograph()
DEEP = PICTURE.astype(np.uint16) * 257
DEFLATE = (cv2.IMWRITE_TIFF_COMPRESSION, 8)


def jpeg_tiff():
    file = io.BytesIO()
    Image.fromarray(PICTURE).save(file, 'TIFF', compression='jpeg')
    return file.getvalue()


FILES = {
    'jpeg': lambda: encoded('.jpg', PICTURE),
    'grey jpeg': lambda: encoded('.jpg', PICTURE[:, :, 0]),
    'progressive jpeg': lambda: encoded('.jpg', PICTURE, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    'jpeg with restarts': lambda: encoded('.jpg', PICTURE, cv2.IMWRITE_JPEG_RST_INTERVAL, 4),
    'png': lambda: encoded('.png', PICTURE),
    'deep png': lambda: encoded('.png', DEEP),
    'raw tiff': lambda: encoded('.tif', PICTURE, cv2.IMWRITE_TIFF_COMPRESSION, 1),
    'lzw tiff': lambda: encoded('.tif', PICTURE, cv2.IMWRITE_TIFF_COMPRESSION, 5),
    'deflate tiff': lambda: encoded('.tif', PICTURE, *DEFLATE),
    'deep deflate tiff': lambda: encoded('.tif', DEEP, *DEFLATE),
    'jpeg tiff': jpeg_tiff,
    'bmp': lambda: encoded('.bmp', PICTURE),
    'gif': lambda: encoded('.gif', PICTURE),
    'webp': lambda: encoded('.webp', PICTURE, cv2.IMWRITE_WEBP_QUALITY, 80),
}


def zeros(content, start, length):
    return content[:start] + bytes(length) + content[start + length :]


def garbage(content, start, length):
    noise = np.random.default_rng(start).bytes(length)
    return content[:start] + noise + content[start + length :]


def missing(content, start, length):
    return content[:start] + content[start + length :]


def share_noticed(content, damage, length, backend='cv2', tries=25):
    """How many of the damaged files whose pixels may differ are refused."""
    rng = np.random.default_rng(len(content))
    decode_image(content, 'whole', backend=backend)
    noticed = 0
    for start in rng.integers(len(content) // 10, len(content) * 9 // 10 - length, tries).tolist():
        try:
            decode_image(damage(content, start, length), 'damaged', backend=backend)
        except BrokenImageError:
            noticed += 1
    return noticed / tries


# What a lost sector or a failed copy leaves. Uncompressed formats and WebP have no redundancy to
# notice it by, and Huffman codes fall into step again after a single wrong byte.
CHECKED = ['png', 'deep png', 'deflate tiff', 'deep deflate tiff']
CODED = ['jpeg', 'grey jpeg', 'jpeg with restarts', 'gif']
CODED += [pytest.param(kind, marks=DAMAGE_SHOWS) for kind in ('lzw tiff', 'jpeg tiff')]


@pytest.mark.parametrize('damage', [zeros, garbage, missing])
@pytest.mark.parametrize('kind', CHECKED)
def test_checksums_notice_all_damage(kind, damage):
    for length in (2, 64):
        assert share_noticed(FILES[kind](), damage, length) == 1


@pytest.mark.parametrize('damage', [zeros, garbage, missing])
@pytest.mark.parametrize('kind', CODED)
def test_damage_in_the_middle_is_noticed(kind, damage):
    content = FILES[kind]()
    assert share_noticed(content, damage, 512) == 1
    if damage is not missing:  # Huffman codes may go on as if nothing were missing
        assert share_noticed(content, damage, 64) >= 0.6


@pytest.mark.parametrize('damage', [zeros, garbage, missing])
def test_progressive_jpegs(damage):
    assert share_noticed(FILES['progressive jpeg'](), damage, 512) >= 0.7


@pytest.mark.parametrize('kind', ['jpeg', 'png', 'deflate tiff', 'lzw tiff'])
def test_pillow_notices_it_too(kind):
    assert share_noticed(FILES[kind](), garbage, 512, 'pillow', tries=10) == 1


@pytest.mark.parametrize('kind', FILES)
def test_every_format_cut_short(kind):
    content = FILES[kind]()
    for share in (0.1, 0.5, 0.9, 0.99):
        with pytest.raises(BrokenImageError, match=r'image half\.img (is|cannot)'):
            decode_image(content[: int(len(content) * share)], 'half.img')


def test_whole_files_are_whole():
    for kind, content in FILES.items():
        assert decode_image(content(), kind).shape == PICTURE.shape


def test_the_sentence_names_the_damage():
    content = FILES['jpeg']()
    with pytest.raises(
        BrokenImageError,
        match=r'image street\.jpg is damaged \(Corrupt JPEG data: .*\): replace it, or save it',
    ):
        decode_image(zeros(content, len(content) // 2, 500), 'street.jpg')
    content = FILES['deflate tiff']()
    with pytest.raises(BrokenImageError, match=r'damaged \(.* in the piece at byte \d+\)'):
        decode_image(zeros(content, len(content) // 2, 500), 'street.tif')
    content = FILES['png']()
    with pytest.raises(BrokenImageError, match=r'damaged \(wrong checksum of the chunk at byte'):
        decode_image(zeros(content, len(content) // 2, 1), 'street.png')


def test_a_file_found_whole_is_still_looked_at_when_it_changes():
    content = FILES['deflate tiff']()
    for _ in range(2):
        assert (decode_image(content, 'a.tif') == PICTURE).all()
        with pytest.raises(BrokenImageError):
            decode_image(zeros(content, len(content) // 2, 50), 'a.tif')


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('order', '<>')
def test_tiffs_whose_tiles_lie_behind_their_end(order, big):
    picture = PICTURE[:224]
    content = tiff(picture, order, big, tile=32)
    assert (decode_image(content, '') == picture[:, :, ::-1]).all()
    last = np.array([16 + picture.size - 32 * 32 * 3], order + 'u4').tobytes()
    beyond = np.array([len(content) - 32 * 32 * 3 + 1], order + 'u4').tobytes()
    assert content.count(last) == 1
    with pytest.raises(BrokenImageError, match='cut short'):
        decode_image(content.replace(last, beyond), '')


@pytest.mark.parametrize('filler', [b'\0', b'\x20'])
def test_padding_before_the_end_of_a_jpeg_does_no_harm(filler):
    content = FILES['jpeg']()
    padded = content[:-2] + filler * 10 + content[-2:]
    assert (decode_image(padded, '') == decode_image(content, '')).all()
    with pytest.raises(BrokenImageError, match='extraneous bytes before marker 0xd9'):
        decode_image(content[:-2] + bytes(range(10)) + content[-2:], '')


def test_what_others_write_meanwhile_is_not_lost(capfd):
    with captured_errors() as captured:
        os.write(2, b'a progress bar\n')
    assert captured == b'a progress bar\n'
    assert capfd.readouterr().err == 'a progress bar\n'
    assert (decode_image(FILES['png'](), '') == PICTURE).all()
    assert capfd.readouterr().err == ''


def test_threads_do_not_blame_each_others_images():
    good, content = FILES['jpeg'](), FILES['jpeg']()
    broken = zeros(content, len(content) // 2, 512)
    wrong = []

    def decode(data, fails):
        for _ in range(20):
            try:
                decode_image(data, '')
                wrong.append(fails)
            except BrokenImageError:
                wrong.append(not fails)

    threads = [threading.Thread(target=decode, args=(good, False)) for _ in range(2)]
    threads += [threading.Thread(target=decode, args=(broken, True)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrong) == 80
    assert not any(wrong)


@DAMAGE_SHOWS
def test_without_standard_error_or_messages_damage_is_noticed_too(tmp_path):
    content = FILES['lzw tiff']()
    (tmp_path / 'broken.tif').write_bytes(zeros(content, len(content) // 2, 512))
    code = (
        'import os, sys; os.close(2)\n'
        'from mmsniper.images import BrokenImageError, read_image\n'
        'try: read_image(sys.argv[1])\n'
        'except BrokenImageError as error: print(error)\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code, str(tmp_path / 'broken.tif')],
        env=os.environ | dict(OPENCV_LOG_LEVEL='SILENT'),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert 'broken.tif is damaged (LZWDecode' in done.stdout
