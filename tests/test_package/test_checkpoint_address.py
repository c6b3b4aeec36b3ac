"""Checkpoints that have to be fetched."""

import pytest
from web_server import served

from mmsniper.errors import InputError
from mmsniper.utils.checkpoint_address import local_checkpoint


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    return tmp_path / 'home' / 'hub' / 'checkpoints'


def test_a_file_stays_where_it_is(tmp_path, cache):
    path = tmp_path / 'a.pth'
    path.touch()
    assert local_checkpoint(path) == local_checkpoint(str(path)) == path
    with pytest.raises(InputError, match='checkpoint .*b.pth does not exist'):
        local_checkpoint(tmp_path / 'b.pth')
    assert not cache.exists()


def test_files_of_one_name_are_two(tmp_path, cache):
    for folder in 'ab':
        (tmp_path / folder).mkdir()
        (tmp_path / folder / 'epoch_12.pth').write_text(folder)
    with served(tmp_path) as server:
        addresses = [f'{server}/{folder}/epoch_12.pth?key=1' for folder in 'ab']
        first, second = map(local_checkpoint, addresses)
    assert [path.read_text() for path in (first, second)] == ['a', 'b']
    assert first.parent == second.parent == cache and first.name.endswith('-epoch_12.pth')
    assert local_checkpoint(addresses[0]) == first, 'it is fetched once'


def test_what_cannot_be_fetched(tmp_path, cache):
    with served(tmp_path) as server:
        with pytest.raises(InputError, match='/a.pth cannot be fetched: HTTPError: .* 404'):
            local_checkpoint(f'{server}/a.pth')
    with pytest.raises(InputError, match='s3://b/a.pth cannot be fetched: ImportError: .*petrel'):
        local_checkpoint('s3://b/a.pth')
    assert not cache.exists()
