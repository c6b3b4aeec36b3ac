import json
import os
import stat

import numpy as np
import pytest

from mmsniper import InputError
from mmsniper.utils import write_json

DATA = {'a': np.float32(0.5), 'b': np.arange(2), 'c': [1, None, 'é']}
PLAIN = {'a': 0.5, 'b': [0, 1], 'c': [1, None, 'é']}


def test_file_in_a_new_folder(tmp_path):
    path = tmp_path / 'new' / 'a.json'
    write_json(path, DATA)
    assert json.loads(path.read_text(encoding='utf-8')) == PLAIN
    assert os.listdir(path.parent) == ['a.json']
    (tmp_path / 'other').touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / 'other').stat().st_mode)


def test_standard_output(capsys):
    write_json('-', DATA)
    assert json.loads(capsys.readouterr().out) == PLAIN


@pytest.mark.parametrize(
    ('bad', 'error'),
    [(float('nan'), ValueError), (np.float64('inf'), ValueError), (object(), TypeError)],
)
def test_old_file_stays_whole(tmp_path, bad, error):
    path = tmp_path / 'a.json'
    write_json(path, {'old': 1})
    with pytest.raises(error):
        write_json(path, {'good': 1, 'bad': bad})
    assert json.loads(path.read_text()) == {'old': 1}
    assert os.listdir(tmp_path) == ['a.json']


def test_unwritable(tmp_path):
    with pytest.raises(InputError, match='it is a folder'):
        write_json(tmp_path, {})
    (tmp_path / 'file').touch()
    with pytest.raises(InputError, match='cannot write .*file/a.json'):
        write_json(tmp_path / 'file' / 'a.json', {})
    assert os.listdir(tmp_path) == ['file']
