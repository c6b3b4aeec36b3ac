"""The models of usual size, which are meant for a GPU: two steps and a test of each recipe.

Negative chips of the detector itself, which come after the first epoch, are not among them."""

import json
import subprocess
import sys

import numpy as np
import pytest
from command_line import TOOLS
from mmengine.runner import Runner
from proposal_tables import scattered_proposals

from mmsniper.datasets.proposal_file import write_proposals
from mmsniper.experiments.benchmarks.run_config import proposal_config, train_config
from mmsniper.experiments.benchmarks.suite import read_suite

FOLDER = TOOLS / 'benchmarks'
# Without 'rates', which has the recipes of 'rivals' three times.
SUITES = sorted(p.stem for p in (FOLDER / 'suites').glob('*.py') if p.stem != 'rates')
# An image of 320x240 at twice its size, the most that one of them has in training.
STEP = 640 * 480

pytestmark = pytest.mark.slow


def load(name):
    return read_suite(FOLDER / f'suites/{name}.py', 'full', FOLDER / 'data_sets', data='shapes')


RECIPES = [(name, recipe) for name in SUITES for recipe in load(name).recipes]


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp('full') / 'images'
    command = [sys.executable, TOOLS / 'dataset_converters/draw_shapes.py', '--out-dir', folder]
    command += ['--train', '12', '--val', '2', '--width', '320', '--height', '240']
    subprocess.run(list(map(str, [*command, '--max-size', '200'])), check=True)
    table = scattered_proposals(folder / 'annotations/train.json', 200, 0.3, 0)
    write_proposals(folder / 'proposals.npz', table)
    return folder


def two_steps(config, work_dir):
    """Train for two small steps, tests of the end included if there are any."""
    config.train_dataloader.batch_sampler.update(step_pixels=STEP, steps_per_epoch=2)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.num_workers = 0
    config.train_cfg.update(max_epochs=1)
    if config.train_cfg.get('val_begin', 1) == 1:
        config.train_cfg.val_interval = 1
    config.work_dir = str(work_dir)
    config.visualizer.name = str(work_dir)  # one of its own, which writes there
    config.default_hooks.logger.interval = 1
    runner = Runner.from_cfg(config)
    runner.train()
    scalars = [json.loads(line) for line in next(work_dir.rglob('scalars.json')).open()]
    losses = [line['loss'] for line in scalars if 'loss' in line]
    assert len(losses) == 2 and np.isfinite(losses).all()
    return runner


@pytest.mark.parametrize(('name', 'key'), RECIPES, ids=lambda part: part)
def test_every_recipe_trains_and_is_tested(name, key, images, tmp_path):
    suite = load(name)
    recipe = suite.recipes[key]
    if recipe.negatives == 'rpn':
        two_steps(
            proposal_config(suite, recipe, 0, images, tmp_path / 'proposals.json'),
            tmp_path / 'rpn',
        )
    record = tmp_path / 'record.json'
    proposals = images / 'proposals.npz' if recipe.negatives == 'rpn' else None
    config = train_config(suite, recipe, 0, images, record, proposals=proposals)
    two_steps(config, tmp_path / 'train')
    record = json.loads(record.read_text())
    assert record['iterations'] == 2 and len(record['points']) == 1
