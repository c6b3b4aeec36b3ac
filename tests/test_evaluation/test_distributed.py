"""Two real processes give the metric what one process gives it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mmsniper

SCRIPT = Path(__file__).parents[1] / 'helpers' / 'fake_views.py'


def run_test(folder: Path, num_images: int, world_size: int) -> dict:
    out, rendezvous = folder / f'{world_size}.json', folder / f'rendezvous_{world_size}'
    env = dict(os.environ, OMP_NUM_THREADS='1')
    root = str(Path(mmsniper.__file__).parents[1])
    env['PYTHONPATH'] = os.pathsep.join(filter(None, [root, env.get('PYTHONPATH')]))
    processes = [
        subprocess.Popen(
            [sys.executable, SCRIPT, out, *map(str, (num_images, rank, world_size, rendezvous))],
            env=dict(env, LOCAL_RANK=str(rank)),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(world_size)
    ]
    try:
        for process in processes:
            output, _ = process.communicate(timeout=1500)
            assert process.returncode == 0, output
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return json.loads(out.read_text())


@pytest.mark.parametrize('num_images', [5, 1])
def test_two_processes_give_what_one_gives(tmp_path, num_images):
    alone = run_test(tmp_path, num_images, 1)
    together = run_test(tmp_path, num_images, 2)
    assert alone == together
    assert alone['metrics'] == {'recording/images': num_images}
    assert [result['img_id'] for result in alone['recorded']] == list(range(num_images))
    merged, drawn = alone['log']  # without the padding of two processes
    num_views = sum(1 if image % 3 == 0 else 3 for image in range(num_images))
    assert merged.startswith(f'Merged {num_views} views of {num_images} images: ')
    assert drawn == f'Drew {num_images} images'
    for result in alone['recorded']:
        assert len(result['bboxes']) == 4
