import pytest
from torch.utils.data import DataLoader

from mmsniper import InputError
from mmsniper.utils import run_script


class Unreadable:
    """A dataset whose one item is bad input."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise InputError('a.jpg is broken: repair it')


def fail_with(error):
    def main():
        raise error

    return main


def printed_error(capsys, main) -> str:
    with pytest.raises(SystemExit) as caught:
        run_script(main)
    assert caught.value.code == 1
    out, err = capsys.readouterr()
    assert out == ''
    return err


def test_work_done(capsys):
    run_script(lambda: print('done'))
    assert capsys.readouterr() == ('done\n', '')


def test_bad_input_is_one_line(capsys):
    assert printed_error(capsys, fail_with(InputError('no key\n  a'))) == 'error: no key a\n'


def test_missing_file(capsys, tmp_path):
    err = printed_error(capsys, lambda: open(tmp_path / 'a.json'))
    assert err == f'error: {tmp_path / "a.json"} does not exist\n'


def test_missing_file_with_a_message_of_its_own(capsys):
    err = printed_error(capsys, fail_with(FileNotFoundError('a.py can not be found.')))
    assert err == 'error: a.py can not be found.\n'


def test_bad_input_in_a_data_loader_worker(capsys):
    err = printed_error(capsys, lambda: list(DataLoader(Unreadable(), num_workers=1)))
    assert err == 'error: a.jpg is broken: repair it\n'


def test_traceback_on_demand(monkeypatch):
    monkeypatch.setenv('MMSNIPER_TRACEBACK', '1')
    with pytest.raises(InputError):
        run_script(fail_with(InputError('x')))


def test_defects_keep_their_traceback():
    with pytest.raises(KeyError):
        run_script(fail_with(KeyError('x')))
