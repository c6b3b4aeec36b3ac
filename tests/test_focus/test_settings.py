"""Settings of the focus, possible and impossible."""

from __future__ import annotations

import pytest

from mmsniper.errors import InputError
from mmsniper.focus import FocusSettings, focus_of, read_focus


def test_what_is_given():
    assert read_focus(None) is None and read_focus(False) is None
    assert read_focus(True) == FocusSettings()
    given = read_focus(dict(threshold=[0.1, 0.2], sizes=[0, 40]))
    assert given == FocusSettings(threshold=(0.1, 0.2), sizes=(0, 40))
    assert read_focus(given) is given
    assert given.step(0, 2).threshold == 0.1 and given.step(1, 2).threshold == 0.2


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(threshold=1.5), 'threshold=1.5 must lie between 0 and 1'),
        (dict(threshold=(0.1, 'a')), "threshold='a'"),
        (dict(dilation=0), 'dilation=0 must be 1 or more'),
        (dict(dilation=4), 'dilation of focus is 4: set an odd number'),
        (dict(min_cells=(4, 2.5)), 'min_cells=2.5'),
        (dict(source='tail'), "source of focus is 'tail'"),
        (dict(sizes=(64, 5)), r'sizes of focus are \(64, 5\)'),
        (dict(sizes='ab'), "sizes of focus are 'ab'"),
        (dict(stride=0), 'stride=0'),
        (dict(treshold=0.5), 'focus has no setting treshold: it has threshold'),
        (0.1, r'focus is 0.1: set dict\(threshold=...\)'),
    ],
)
def test_impossible_settings(settings, message):
    with pytest.raises(InputError, match=message):
        read_focus(settings)


def test_a_switch_and_a_threshold():
    assert focus_of(None, None) is None and focus_of(True, None) is True
    assert focus_of(None, 0.2) == dict(threshold=0.2)
    assert focus_of(dict(min_cells=4), 0.2) == dict(min_cells=4, threshold=0.2)
    with pytest.raises(InputError, match='switched off'):
        focus_of(False, 0.2)
