"""sniperize --online-negatives: the hook that suits the length and the pyramid of the training."""

import pytest
from mmdet.registry import HOOKS
from mmengine.config import Config
from source_configs import TINY

from mmsniper.conversion import Training, convert
from mmsniper.conversion.changes import Changes
from mmsniper.conversion.negatives import add_online_negatives
from mmsniper.datasets.announced_negatives import announce_room
from mmsniper.errors import InputError


@pytest.fixture(autouse=True)
def no_room():
    yield
    announce_room(0)  # what hooks that were built say to the datasets of later tests


def source():
    return Config.fromstring(TINY, '.py')


@pytest.mark.parametrize(('epochs', 'interval'), [(2, 1), (4, 1), (5, 2), (12, 2)])
def test_the_hook_suits_the_length(epochs, interval):
    training = Training(epochs=epochs)
    config, changes = convert(source(), training=training, online_negatives=True)
    assert config.custom_hooks[-1] == dict(type='OnlineNegativesHook', interval=interval)
    every = {1: 'after every epoch', 2: 'after every second epoch'}[interval]
    assert f'OnlineNegativesHook added: {every} the detector looks at' in str(changes)
    hook = HOOKS.build(config.custom_hooks[-1])
    assert any((epoch + 1) % hook.interval == 0 for epoch in range(epochs - 1)), 'it never looks'
    without, _ = convert(source(), training=training)
    without.custom_hooks.append(config.custom_hooks[-1])
    assert without.pretty_text == config.pretty_text


def test_it_is_added_to_what_trains_on_chips_already_but_not_twice():
    chips, _ = convert(source())
    later, changes = convert(chips, online_negatives=True)
    assert later.custom_hooks[:-1] == chips.custom_hooks and len(changes.changed) == 1
    again, changes = convert(later, online_negatives=True)
    assert again.pretty_text == later.pretty_text
    assert 'there is an OnlineNegativesHook already' in str(changes)


def test_the_pyramid_may_be_that_of_the_test():
    config, _ = convert(source())
    config.val_dataloader.dataset = source().val_dataloader.dataset
    add_online_negatives(config, Changes())
    assert config.custom_hooks[-1]['dataloader'] == 'test_dataloader'
    HOOKS.build(config.custom_hooks[-1])


def test_where_it_cannot_be():
    config, _ = convert(source())
    config.val_dataloader = config.test_dataloader = None
    with pytest.raises(InputError, match='neither val_dataloader nor test_dataloader has a Chip'):
        add_online_negatives(config, Changes())
    with pytest.raises(InputError, match='the config trains for one epoch: give it two'):
        convert(source(), training=Training(epochs=1), online_negatives=True)
    config, _ = convert(source())
    config.train_cfg = dict(type='IterBasedTrainLoop', max_iters=100)
    with pytest.raises(InputError, match='the config trains by iterations: give it two'):
        add_online_negatives(config, Changes())
