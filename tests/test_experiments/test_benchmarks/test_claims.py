"""Claims: one process at a time, and free again however a process ends."""

import subprocess
import sys

from mmsniper.experiments.benchmarks.claims import claim

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
