import struct

import cv2
import numpy as np
import pytest

from mmsniper.errors import InputError
from mmsniper.inference import videos
from mmsniper.inference.videos import VIDEO_SUFFIXES, VideoFrames, VideoWriter

STEP = 8  # of brightness between frames, more than a codec blurs


def make_video(path, codec='mp4v', count=20, size=(96, 64), fps=10):
    """Frame ``i`` has the brightness ``i * STEP``."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, size)
    assert writer.isOpened()
    noise = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
    for number in range(count):
        frame = np.full((size[1], size[0], 3), number * STEP, np.uint8)
        frame[-24:, number : number + 24] = noise  # or damage would find nothing to damage
        writer.write(frame)
    writer.release()
    return path


def numbers(frames):
    return [int(round(float(frame[:20].mean()) / STEP)) for frame in frames]


@pytest.fixture
def video(tmp_path):
    return make_video(tmp_path / 'clip.mp4')


def test_all_frames_come_in_order_and_again(video):
    frames = VideoFrames(video)
    assert (frames.count, frames.fps, frames.size) == (20, 10, (96, 64))
    for _ in range(2):
        assert numbers(frames) == list(range(20))
        assert frames.fault is None
    first = next(iter(frames))
    assert first.shape == (64, 96, 3)
    assert first.dtype == np.uint8


@pytest.mark.parametrize(('start', 'step'), [(0, 3), (7, 1), (5, 4), (19, 1), (30, 2)])
def test_frames_can_be_skipped(video, start, step):
    frames = VideoFrames(video)
    assert numbers(frames.frames(start, step)) == list(range(start, 20, step))
    assert frames.fault is None


def test_a_phone_video_is_turned_upright(tmp_path):
    content = bytearray(make_video(tmp_path / 'plain.mp4').read_bytes())
    # The matrix of the track header, ISO/IEC 14496-12: a quarter turn to the right.
    at = content.index(b'tkhd') + 44
    quarter = 0, 1 << 16, 0, -1 << 16, 0, 0, 64 << 16, 0, 1 << 30
    content[at : at + 36] = struct.pack('>9i', *quarter)
    (tmp_path / 'turned.mp4').write_bytes(content)
    turned = VideoFrames(tmp_path / 'turned.mp4')
    assert turned.size == (64, 96)
    plain, upright = next(iter(VideoFrames(tmp_path / 'plain.mp4'))), next(iter(turned))
    assert (upright == cv2.rotate(plain, cv2.ROTATE_90_CLOCKWISE)).all()


@pytest.mark.parametrize('content', [b'', b'no video at all' * 50])
def test_what_is_no_video_is_named(tmp_path, content):
    file = tmp_path / 'text.mp4'
    file.write_bytes(content)
    with pytest.raises(InputError, match=r'text\.mp4 has no frame that OpenCV can read'):
        VideoFrames(file)
    with pytest.raises(InputError, match=r'none\.mp4 does not exist'):
        VideoFrames(tmp_path / 'none.mp4')


def test_a_video_cut_short_says_how_many_frames_are_left(tmp_path):
    content = make_video(tmp_path / 'whole.avi', 'MJPG').read_bytes()
    (tmp_path / 'cut.avi').write_bytes(content[: len(content) // 2])
    frames = VideoFrames(tmp_path / 'cut.avi')
    read = len(list(frames))
    assert 2 < read < 15
    assert f'{read} of the 20 frames that it states could be read' in frames.fault
    assert 'cut.avi' in frames.fault
    # The index of an MP4 stands at its end.
    content = make_video(tmp_path / 'whole.mp4').read_bytes()
    (tmp_path / 'cut.mp4').write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match='damaged'):
        VideoFrames(tmp_path / 'cut.mp4')


def test_a_broken_frame_is_noticed_and_the_others_are_read(tmp_path):
    content = bytearray(make_video(tmp_path / 'whole.avi', 'XVID').read_bytes())
    middle = len(content) // 2
    content[middle : middle + 300] = np.random.default_rng(1).bytes(300)
    (tmp_path / 'broken.avi').write_bytes(content)
    frames = VideoFrames(tmp_path / 'broken.avi')
    assert len(list(frames)) > 15
    assert 'broken.avi may be damaged' in frames.fault
    assert 'complains first near frame' in frames.fault
    assert VideoFrames(tmp_path / 'whole.avi').fault is None


@pytest.mark.parametrize('size', [(64, 48), (65, 48), (65, 49), (18, 2)])
def test_what_is_written_can_be_read(tmp_path, size):
    file = tmp_path / 'sub' / 'out.mp4'
    with VideoWriter(file, 12.5, size) as writer:
        for number in range(7):
            writer.write(np.full((size[1], size[0], 3), number * STEP, np.uint8))
        assert not file.exists()
    frames = VideoFrames(file)
    assert numbers(frames) == list(range(7))
    assert (frames.count, frames.fps) == (7, 12.5)
    assert frames.size == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert [path.name for path in file.parent.iterdir()] == ['out.mp4']
    assert writer.codec in writer.codecs


def test_the_first_frame_decides_on_the_size(tmp_path):
    with VideoWriter(tmp_path / 'out.mp4') as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
        with pytest.raises(InputError, match=r'frame 1 of video .* 64x40 pixels, .* of 64x48'):
            writer.write(np.zeros((40, 64, 3), np.uint8))
    assert VideoFrames(tmp_path / 'out.mp4').size == (64, 48)


def test_an_interruption_leaves_the_file_that_was_there(tmp_path):
    file = tmp_path / 'out.mp4'
    file.write_bytes(b'before')
    with pytest.raises(KeyboardInterrupt), VideoWriter(file) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
        raise KeyboardInterrupt
    assert file.read_bytes() == b'before'
    with VideoWriter(file):
        pass  # no frame, no video
    assert [path.name for path in tmp_path.iterdir()] == ['out.mp4']


def test_what_cannot_be_written_is_said(tmp_path, monkeypatch):
    frame = np.zeros((48, 64, 3), np.uint8)
    with pytest.raises(InputError, match='no encoder for it among XXXX'):
        VideoWriter(tmp_path / 'out.mp4', codecs=['XXXX']).write(frame)
    (tmp_path / 'file').touch()
    with pytest.raises(InputError, match=r'cannot write video .*out\.mp4: '):
        VideoWriter(tmp_path / 'file' / 'out.mp4').write(frame)
    with pytest.raises(InputError, match='of 0 frames per second'):
        VideoWriter(tmp_path / 'out.mp4', fps=0)
    # As on a full disk.
    monkeypatch.setattr(videos.VideoWriter, '_count_readable', lambda self: 0)
    with pytest.raises(InputError, match="of 1 frames encoded by '.*', 0 can be read again"):
        with VideoWriter(tmp_path / 'out.mp4') as writer:
            writer.write(frame)
    assert [path.name for path in tmp_path.iterdir()] == ['file']


def test_suffixes_are_lower_case():
    assert all(suffix[0] == '.' and suffix == suffix.lower() for suffix in VIDEO_SUFFIXES)
