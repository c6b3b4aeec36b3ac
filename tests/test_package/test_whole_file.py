"""Files that are whole or not there, on full disks and after deaths too."""

import os
import subprocess
import sys

import pytest

from mmsniper.errors import InputError
from mmsniper.utils.whole_file import (
    remove_leftovers,
    temporary_of,
    whole_text_file,
    write_whole,
)


def test_it_comes_to_its_place_when_all_is_in_it(tmp_path):
    path = tmp_path / 'sub' / 'a.txt'
    with whole_text_file(path) as file:
        file.write('one\n')
        file.flush()
        assert not path.exists() and temporary_of(path).read_bytes() == b'one\n'
        file.write('two\r')
    assert path.read_bytes() == b'one\ntwo\r'
    write_whole(path, b'three')
    assert path.read_bytes() == b'three'
    assert os.listdir(path.parent) == ['a.txt']


def test_names_of_files_that_are_not_utf_8(tmp_path):
    name = os.fsdecode(b'latin-\xe9.jpg')
    with whole_text_file(tmp_path / name) as file:
        file.write(name)
    assert (tmp_path / name).read_bytes() == b'latin-\xe9.jpg'


def test_a_name_as_long_as_names_can_be(tmp_path):
    path = tmp_path / ('\N{PILE OF POO}' * 62 + '.abcdef')
    assert len(os.fsencode(path.name)) == 255
    write_whole(path, b'content')
    assert path.read_bytes() == b'content'


def test_errors_of_others_stay_theirs(tmp_path):
    with pytest.raises(FileNotFoundError, match='missing'):
        with whole_text_file(tmp_path / 'a.txt') as file:
            file.write((tmp_path / 'missing').read_text())
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs /dev/full')
@pytest.mark.parametrize('size', [10, 1_000_000])
def test_a_full_disk(tmp_path, size):
    path = tmp_path / 'a.txt'
    path.write_text('before')
    for write in (lambda: write_whole(path, b'x' * size), lambda: pieces(path, size)):
        temporary_of(path).symlink_to('/dev/full')
        with pytest.raises(InputError, match=r'cannot write .*a\.txt: No space left') as caught:
            write()
        assert isinstance(caught.value.__cause__, OSError)
        assert os.listdir(tmp_path) == ['a.txt'] and path.read_text() == 'before'


def pieces(path, size):
    with whole_text_file(path) as file:
        for _ in range(size // 10):
            file.write('x' * 10)


def test_what_cannot_be_written(tmp_path):
    (tmp_path / 'file').touch()
    for path in (tmp_path / 'file' / 'a.txt', tmp_path):
        with pytest.raises(InputError, match=f'cannot write {path}: '):
            write_whole(path, b'content')
    assert os.listdir(tmp_path) == ['file']


def test_leftovers_of_the_dead_are_removed_and_nothing_else(tmp_path):
    done = subprocess.run(
        [sys.executable, '-c', 'import os; print(os.getpid())'], capture_output=True, check=True
    )
    dead = int(done.stdout)
    (tmp_path / 'sub').mkdir()
    gone = [f'.a.txt.{dead}.partial', f'sub/.new\nline.{dead}.partial.mp4']
    kept = ['a.txt', f'a.txt.{dead}.partial', f'.a.txt.{dead}', '.a.txt.partial']
    kept += [temporary_of(tmp_path / 'sub' / 'mine.txt').relative_to(tmp_path).as_posix()]
    for name in (*gone, *kept):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob('*')}
    assert found == {'sub', *kept}
