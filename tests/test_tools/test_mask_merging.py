"""The benchmark of masks: its figures on a small image, and the limit on a large one."""

import json
import sys
from argparse import Namespace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from command_line import TOOLS, run

SCRIPT = TOOLS / 'benchmarks' / 'mask_merging.py'
HEADS = ['rle-mask-rcnn', 'rle-condinst']


@pytest.fixture(scope='module')
def script():
    spec = spec_from_file_location('mask_merging', SCRIPT)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# At a quarter of the resolution, as CondInst has them, small masks are inexact.
@pytest.mark.parametrize('head, least', [('rle-mask-rcnn', 0.95), ('rle-condinst', 0.6)])
@pytest.mark.parametrize('tile_size', [None, 700])
def test_figures_of_a_small_image(script, head, least, tile_size):
    Path('/proc/self/clear_refs').write_text('5')  # the peak of the tests before is not its own
    args = Namespace(width=480, height=360, instances=8, tile_overlap=0.25, seed=0)
    row = script.measure(args, head, tile_size)
    assert row['head'] == head and row['tile_size'] == tile_size
    assert row['merged'] == 8
    assert row['segm_mAP'] > least
    assert row['peak_mb'] < 1000
    assert row['head_seconds'] > 0 and row['merge_seconds'] > 0
    if tile_size is None:
        assert row['views'] == 3 and row['detections'] == 24
    else:
        assert row['views'] > 3
    assert len(script.format_table([row, row]).splitlines()) == 3


@pytest.mark.slow
def test_a_hundred_instances_on_twelve_megapixels_need_less_than_a_gigabyte(tmp_path):
    result = run(sys.executable, SCRIPT, '--json', '-', cwd=tmp_path)
    assert result.returncode == 0, result.stderr[-2000:]
    figures = json.loads(result.stdout)
    assert [(row['head'], row['tile_size']) for row in figures] == [
        (head, tile_size) for head in HEADS for tile_size in (None, 512)
    ]
    for row in figures:
        assert row['merged'] == 100
        assert row['peak_mb'] < 1000
