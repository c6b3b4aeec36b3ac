"""Which checkpoints count as whole, and where a training goes on."""

import re

import pytest
import torch

from mmsniper import InputError
from mmsniper.utils.saved_checkpoints import checkpoint_fault, checkpoint_to_resume


def save(path, **options):
    path.parent.mkdir(exist_ok=True)
    weights = torch.arange(4000, dtype=torch.float32)
    torch.save(dict(meta=dict(epoch=1), state_dict=dict(a=weights)), path, **options)
    return path


def cut(path, share=0.7):
    """As a full disk leaves a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


@pytest.mark.parametrize('zipped', [True, False])
def test_whole_ones_load(tmp_path, zipped):
    path = save(tmp_path / 'a.pth', _use_new_zipfile_serialization=zipped)
    assert checkpoint_fault(path) is None


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('share', [0.001, 0.1, 0.5, 0.99, 0.9999])
def test_cut_short(tmp_path, zipped, share):
    path = cut(save(tmp_path / 'a.pth', _use_new_zipfile_serialization=zipped), share)
    assert checkpoint_fault(path) is not None


def test_other_faults(tmp_path):
    path = tmp_path / 'a.pth'
    assert checkpoint_fault(path) == 'does not exist'
    path.write_bytes(b'')
    assert checkpoint_fault(path) == 'is empty'
    path.write_bytes(b'no checkpoint at all')
    assert checkpoint_fault(path).startswith('is cut short or no checkpoint')
    path.write_bytes(bytes(4000))
    assert checkpoint_fault(path).startswith('is cut short or no checkpoint')
    torch.save([1, 2], path)
    assert checkpoint_fault(path) == 'holds no state_dict'


def test_weights_that_never_reached_the_disk(tmp_path):
    """The length is right, and torch.load has nothing to object."""
    path = save(tmp_path / 'a.pth')
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 512] = bytes(512)
    path.write_bytes(content)
    assert torch.load(path)['meta'] == dict(epoch=1)
    assert checkpoint_fault(path).startswith('is damaged (in ')


def test_the_final_one_is_enough(tmp_path):
    final = save(tmp_path / 'epoch_3.pth')
    cut(save(tmp_path / 'epoch_2.pth'))
    assert checkpoint_to_resume(final) == (final, [])


def test_the_newest_whole_one(tmp_path):
    """By number, and no younger than the training that is asked for."""
    save(tmp_path / 'epoch_9.pth')
    save(tmp_path / 'epoch_99.pth')
    save(tmp_path / 'best_epoch_10.pth')
    cut(save(tmp_path / 'epoch_10.pth'))
    final = cut(save(tmp_path / 'epoch_12.pth'))
    path, faults = checkpoint_to_resume(final)
    assert path == tmp_path / 'epoch_9.pth'
    assert [fault.split(' ')[0] for fault in faults] == [
        str(final),
        str(tmp_path / 'epoch_10.pth'),
    ]


def test_nothing_was_begun(tmp_path):
    assert checkpoint_to_resume(tmp_path / 'new' / 'epoch_3.pth') == (None, [])


@pytest.mark.parametrize('named', ['elsewhere/epoch_3.pth', 'epoch_3.pth', ''])
def test_the_record_names_a_file_that_is_gone(tmp_path, named):
    (tmp_path / 'last_checkpoint').write_text(named)
    earlier = save(tmp_path / 'epoch_2.pth')
    path, _ = checkpoint_to_resume(tmp_path / 'epoch_4.pth')
    assert path == earlier


def test_the_record_is_all_that_is_left(tmp_path):
    (tmp_path / 'last_checkpoint').write_text('work/epoch_3.pth')
    with pytest.raises(InputError, match=r'epoch_3\.pth does not exist, and .* delete .* anew'):
        checkpoint_to_resume(tmp_path / 'epoch_4.pth')


def test_an_empty_record_is_all_that_is_left(tmp_path):
    (tmp_path / 'last_checkpoint').write_text('')
    with pytest.raises(InputError, match='last_checkpoint names no file, and .* delete .* anew'):
        checkpoint_to_resume(tmp_path / 'epoch_4.pth')


def test_a_name_of_its_own_in_a_folder_that_was_moved(tmp_path):
    (tmp_path / 'last_checkpoint').write_text('/somewhere/else/iter_500.pth')
    own = save(tmp_path / 'iter_500.pth')
    assert checkpoint_to_resume(tmp_path / 'epoch_4.pth') == (own, [])


def test_none_is_whole(tmp_path):
    final = cut(save(tmp_path / 'epoch_2.pth'))
    (tmp_path / 'epoch_1.pth').write_bytes(b'')
    path, faults = checkpoint_to_resume(final)
    assert path is None and len(faults) == 2, 'none ever was'
    (tmp_path / 'last_checkpoint').write_text(str(final))
    with pytest.raises(InputError) as caught:
        checkpoint_to_resume(final)
    assert re.fullmatch(
        rf'{final} is cut short .*, and {tmp_path} has no whole checkpoint to go on from: '
        rf'delete {tmp_path} to train anew',
        str(caught.value),
    )
