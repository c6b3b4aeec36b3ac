"""Tests of work in other processes."""

import os

import pytest
from deadly_work import double_or_die

from mmsniper.utils.workers import Died, work


def test_all_tasks_are_done():
    results = dict(work(double_or_die, [1, 2, 3, 4, 5], num_processes=2, timeout=60))
    assert {index: value for index, (_, value) in results.items()} == {
        index: 2 * (index + 1) for index in range(5)
    }
    processes = {process for process, _ in results.values()}
    assert os.getpid() not in processes
    assert len(processes) <= 2


@pytest.mark.long
def test_a_death_is_a_result_and_the_rest_goes_on():
    tasks = ['die', 1, 'exit', 2, 'sleep', 3]
    results = dict(work(double_or_die, tasks, num_processes=2, timeout=5))
    assert results[0] == Died('its process ended with signal 9')
    assert results[2] == Died('its process ended with status 3')
    assert results[4] == Died('it took longer than 5 seconds')
    assert [results[index][1] for index in (1, 3, 5)] == [2, 4, 6]


def test_nothing_to_do():
    assert list(work(double_or_die, [], num_processes=2, timeout=1)) == []
