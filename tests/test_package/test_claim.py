"""Claims: one process at a time, and free again however a process ends."""

import errno
import fcntl
import subprocess
import sys

import pytest
from log_capture import log_of

from mmsniper.errors import InputError
from mmsniper.utils.claim import claim, claim_file

HOLD = 'import sys; print("holding", flush=True); sys.stdin.read()'


def test_a_claim_is_for_one_at_a_time(tmp_path):
    with claim(tmp_path / 'run') as first:
        assert first is not None
        with claim(tmp_path / 'run') as second:
            assert second is None
        with claim(tmp_path / 'other') as other:
            assert other is not None
    with claim(tmp_path / 'run') as again:
        assert again is not None


def test_a_process_that_was_begun_under_a_claim_holds_it_until_it_is_killed(tmp_path):
    with claim(tmp_path) as descriptor:
        process = subprocess.Popen(
            [sys.executable, '-c', HOLD],
            pass_fds=(descriptor,),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        process.stdout.readline()
    try:
        with claim(tmp_path) as other:
            assert other is None
    finally:
        process.kill()
        process.communicate()
    with claim(tmp_path) as free:
        assert free is not None


def test_a_claim_on_a_file_leaves_nothing_behind(tmp_path):
    path = tmp_path / 'new' / 'a.npz'
    with claim_file(path) as first:
        assert first is not None
        with claim_file(path) as second:
            assert second is None
        with claim_file(path) as third:
            assert third is None, 'whoever did not get the file does not remove its lock'
        with claim_file(path.with_name('b.npz')) as other:
            assert other is not None
    assert list(path.parent.iterdir()) == []


def test_a_lock_that_its_holder_removed_meanwhile_is_no_claim(tmp_path, monkeypatch):
    """The other process opens the file, then the holder ends, then the other one locks it."""
    path = tmp_path / 'a.npz'
    real, holder = fcntl.flock, claim_file(path)
    holder.__enter__()

    def late_flock(descriptor, operation):
        monkeypatch.setattr(fcntl, 'flock', real)
        holder.__exit__(None, None, None)
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, 'flock', late_flock)
    with claim_file(path) as second:
        assert second is not None
        with claim_file(path) as third:
            assert third is None, 'both have the file'


def without_locks(number):
    def refuse(descriptor, operation):
        raise OSError(number, 'no')

    return refuse


def test_without_locks(tmp_path, monkeypatch, caplog):
    path = tmp_path / 'a.npz'

    def claim_twice():
        with claim_file(path) as first, claim_file(path) as second:
            return first, second

    monkeypatch.setattr(fcntl, 'flock', without_locks(errno.ENOSYS))
    descriptors, log = log_of(caplog, claim_twice)
    assert None not in descriptors and list(tmp_path.iterdir()) == []
    assert log.count(f'{tmp_path} is on a file system without locks: no other process') == 2
    with pytest.raises(InputError, match='run is on a file system without locks, so that two'):
        with claim(tmp_path / 'run'):
            pass


@pytest.mark.parametrize('number', [errno.EIO, errno.ENOLCK])
def test_a_lock_that_fails_is_no_claim(tmp_path, monkeypatch, number):
    with claim_file(tmp_path / 'a.npz'):
        with monkeypatch.context() as patch, pytest.raises(OSError, match='no'):
            patch.setattr(fcntl, 'flock', without_locks(number))
            with claim_file(tmp_path / 'a.npz'):
                pass
        with claim_file(tmp_path / 'a.npz') as second:
            assert second is None
