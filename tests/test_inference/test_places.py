"""Where files of images go."""

import itertools
from pathlib import Path

import pytest

from mmsniper.errors import InputError
from mmsniper.inference import Sources
from mmsniper.inference.places import check_length, name_below, stem, without_stem_of_their_own


def test_stems():
    names = ['a.jpg', 'a.png', 'b.jpg', 'b.jpg.png', 'sub/b.png', 'c', 'c.jpg', '.d.jpg', '..e.jpg']
    whole = without_stem_of_their_own(names)
    assert whole == {'a.jpg', 'a.png', 'b.jpg.png', 'c', 'c.jpg'}
    assert stem('sub/b.c.png') == 'sub/b.c' and stem('clip.mp4/000012') == 'clip.mp4/000012'
    assert without_stem_of_their_own(reversed(names)) == whole


def test_a_folder_that_is_called_like_a_video():
    names = ['clip.mp4', 'clip.mp4/000001.jpg', 'clips/000001.jpg']
    assert without_stem_of_their_own(names) == {'clip.mp4/000001.jpg'}


def test_no_two_files_are_the_same():
    parts = ['', '.jpg', '.png', '.txt']
    every = [f'{a}{b}{c}' for a in ('a', 'b') for b in parts for c in parts]
    every = list(dict.fromkeys(every))
    for names in itertools.combinations(every, 3):
        whole = without_stem_of_their_own(names)
        files = {name if name in whole else stem(name) for name in names}
        assert len(files) == len(names)


def test_the_list_of_inputs_decides(tmp_path):
    for name in ('a.jpg', 'a.png', 'b.jpg', 'sub/a.jpg'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert Sources(str(tmp_path)).sharing_stems == {'a.jpg', 'a.png'}
    some = [str(tmp_path / 'a.jpg'), str(tmp_path / 'sub' / 'a.jpg')]
    assert Sources(some).sharing_stems == frozenset()  # a.jpg and sub/a.jpg


@pytest.mark.parametrize('name', ['../a.jpg', '/a.jpg', 'a/../../b.jpg', '.'])
def test_names_that_lead_out(name):
    with pytest.raises(InputError, match=r'no picture of image .* can be written'):
        name_below(name, 'picture')


def test_names_that_are_too_long(tmp_path):
    for parts in (['x' * 256], ['missing', 'x' * 256], ['missing', 'y' * 256, 'a.txt']):
        with pytest.raises(InputError, match=r'in a\.jpg cannot be written: .* too long'):
            check_length(tmp_path.joinpath(*parts), tmp_path, 'a.jpg')
    check_length(tmp_path / 'missing' / ('x' * 255), tmp_path, 'a.jpg')
    with pytest.raises(InputError, match='too long'):
        check_length(Path(tmp_path, *['x' * 200] * 25), tmp_path, 'a.jpg')
