"""One run: a recipe with a seed is trained and tested, each step once."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mmengine.config import Config

from mmsniper.errors import InputError
from mmsniper.utils.json_file import write_json
from mmsniper.utils.saved_checkpoints import checkpoint_fault, checkpoint_to_resume
from mmsniper.utils.whole_file import write_whole

from .budget import TOLERANCE, Budget
from .provenance import provenance
from .run_config import (
    proposal_config,
    test_config,
    train_config,
    training_budget,
    without_validation,
)
from .suite import BEGINNINGS, Suite

RESULT = 'result.json'
WALL_TIMES = 'wall_times.json'
LAST_LINES = 3
# Looking for installed packages, as bases of configs do, must not happen in two threads at once.
BUILDING = threading.Lock()
TESTED = ('test_mpx', 'test_images', 'test_seconds', 'test_cpu_seconds', 'metrics')


@dataclass
class Run:
    """A recipe with a seed.

    A run is done in steps (proposals, training, tests), each a process of its own through the
    scripts of ``tools``. What is finished is kept; a training that was interrupted goes on at its
    last round.

    Attributes:
        suite (Suite): What it belongs to.
        recipe (str): Name of the recipe.
        seed (int): Its seed.
        folder (Path): Where all its files go.
        data_root (Path): Folder of the data set.
        tools (Path): Folder of the scripts.
        environment (dict): Further environment variables of its processes.
        keep_open (tuple[int]): File descriptors that its processes hold.
    """

    suite: Suite
    recipe: str
    seed: int
    folder: Path
    data_root: Path
    tools: Path
    environment: dict[str, str] = field(default_factory=dict)
    keep_open: tuple[int, ...] = ()
    process: subprocess.Popen | None = None

    @property
    def name(self) -> str:
        """The run in words."""
        return f'{self.recipe}, seed {self.seed}'

    def finished(self) -> dict[str, Any] | None:
        """The result if the run is finished, with all tests that the suite has by now.

        Raises:
            InputError: It was trained or tested with other settings than the suite has now.
        """
        path = self.folder / RESULT
        result = json.loads(path.read_text()) if path.is_file() else None
        if result is None:
            return None
        now, then = self.settings(), result.get('settings', {})
        for what, values in then.items():
            changed = [key for key in values if key in now[what] and values[key] != now[what][key]]
            if changed:
                raise InputError(
                    f'{self.name} was done with other {what}, {", ".join(changed)}: choose another '
                    f'--out-dir, or delete {self.folder} to do the run anew'
                )
        return result if has_all_tests(self.suite, result) else None

    def settings(self) -> dict[str, dict[str, Any]]:
        """What a result depends on besides the suite's figures: of its training, and its tests.

        Of the weights to begin with that is the name, not where they lie.
        """
        recipe = dataclasses.asdict(self.suite.recipes[self.recipe])
        recipe['weights'] = {
            size: Path(urlsplit(weights).path).name
            for size, weights in recipe['weights'].items()
            if size == self.suite.size
        }
        recipe['overrides'] = {k: v for k, v in recipe['overrides'].items() if k not in BEGINNINGS}
        del recipe['title']
        tests = {
            name: {key: value for key, value in vars(way).items() if key != 'title'}
            for name, way in self.suite.tests_of(self.recipe).items()
        }
        return json.loads(json.dumps(dict(training=recipe, tests=tests)))

    def execute(self) -> dict[str, Any]:
        """Do what is left to do.

        Returns:
            dict[str, Any]: The result, which is also written to the run's folder.

        Raises:
            InputError: A step failed, or the run was begun with other settings.
        """
        recipe = self.suite.recipes[self.recipe]
        proposals, stage = None, None
        if recipe.negatives == 'rpn':
            proposals, stage = self._proposals()
        record = self.folder / 'training.json'
        with BUILDING:
            config = train_config(
                self.suite, recipe, self.seed, self.data_root, record, proposals=proposals
            )
        budget = training_budget(self.suite, recipe)
        trained = self._train('train', config, record, budget)
        checkpoint = final_checkpoint(self.folder / 'train', budget)
        tests = {}
        for name, way in self.suite.tests_of(self.recipe).items():
            if name == self.suite.curve_test:  # done with these weights, at the end of the training
                tests[name] = {key: trained['points'][-1].get(key) for key in TESTED}
                continue
            out = self.folder / f'test_{name}.json'
            with BUILDING:
                tested = test_config(config, self.suite, way, self.data_root, out)
            self._test(name, tested, checkpoint)
            tests[name] = json.loads(out.read_text())
        result = dict(
            recipe=self.recipe,
            seed=self.seed,
            training=trained,
            proposals=stage,
            tests=tests,
            wall_seconds=self._wall_times(),
            settings=self.settings(),
            provenance=provenance(self.suite.threads),
        )
        write_json(self.folder / RESULT, result)
        return result

    def round_seconds(self) -> list[float]:
        """Train without tests, and see how long each round takes."""
        record = self.folder / 'training.json'
        recipe = self.suite.recipes[self.recipe]
        with BUILDING:
            config = train_config(self.suite, recipe, self.seed, self.data_root, record)
        without_validation(config)
        path = self._write_config('train', config)
        self._call('train', 'train.py', path, '--work-dir', self.folder / 'train')
        return json.loads(record.read_text())['round_seconds']

    def stop(self) -> None:
        """End the process of the step that is being done."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def _proposals(self) -> tuple[Path, dict[str, Any]]:
        """The RPN stage: its proposals, and what it cost."""
        recipe, budget = self.suite.recipes[self.recipe], self.suite.proposal_budget
        record = self.folder / 'proposal_training.json'
        with BUILDING:
            config = proposal_config(self.suite, recipe, self.seed, self.data_root, record)
        cost = self._train('rpn', config, record, budget)
        out = self.folder / 'proposals.npz'
        if not out.is_file():
            checkpoint = final_checkpoint(self.folder / 'rpn', budget)
            arguments = [self.folder / 'rpn.py', checkpoint, '--out', out]
            arguments += ['--num-workers', self.suite.num_workers]
            self._call('extract', 'extract_proposals.py', *arguments)
        return out, cost

    def _train(self, step: str, config: Config, record: Path, budget: Budget) -> dict[str, Any]:
        """Train, from where it was, unless that is done; the record of it."""
        path = self._write_config(step, config)
        work_dir = self.folder / step
        if not self._is_trained(record, work_dir, budget):
            start, _ = checkpoint_to_resume(final_checkpoint(work_dir, budget))
            resume = ['--resume', start] if start else []
            self._call(step, 'train.py', path, '--work-dir', work_dir, *resume)
        if not self._is_trained(record, work_dir, budget):
            raise InputError(f'{self.name}: the training ended before its end, see {work_dir}')
        trained = json.loads(record.read_text())
        counted = (
            'positive_mpx' if self.suite.recipes[self.recipe].extra_negatives else 'trained_mpx'
        )
        deviation = trained[counted] / budget.mpx - 1
        if abs(deviation) > TOLERANCE:
            raise InputError(
                f'{self.name} was trained on {trained[counted]:.1f} Mpx, not on '
                f'{budget.mpx:.1f}: it cannot be compared; give a larger budget'
            )
        return trained

    @staticmethod
    def _is_trained(record: Path, work_dir: Path, budget: Budget) -> bool:
        if not record.is_file() or checkpoint_fault(final_checkpoint(work_dir, budget)):
            return False
        found = json.loads(record.read_text())
        # Interrupted in the last validation, a training is taken up again for that.
        points = [point['epoch'] for point in found['points']]
        return found['iterations'] == budget.steps and (
            work_dir.name == 'rpn' or budget.rounds in points
        )

    def _test(self, name: str, config: Config, checkpoint: Path) -> None:
        step = f'test_{name}'
        path = self._write_config(step, config)
        if not (self.folder / f'{step}.json').is_file():
            work_dir = self.folder / step
            shutil.rmtree(work_dir, ignore_errors=True)  # of a test that was interrupted
            self._call(step, 'test.py', path, checkpoint, '--work-dir', work_dir)

    def _write_config(self, step: str, config: Config) -> Path:
        """Write the config of a step, or make sure that it was begun with the same one."""
        path = self.folder / f'{step}.py'
        text = config.pretty_text
        if path.is_file() and path.read_text() != text:
            raise InputError(
                f'{self.name} was begun with other settings, those of {path}: choose another '
                f'--out-dir, or delete {self.folder} to begin the run anew'
            )
        write_whole(path, text.encode())
        return path

    def _call(self, step: str, script: str, *arguments) -> None:
        """Run one of the scripts, and add its time to that of the step."""
        command = [sys.executable, str(self.tools / script), *map(str, arguments)]
        paths = filter(None, [str(self.tools.parent), os.getenv('PYTHONPATH')])
        environment = {
            **os.environ,
            'OMP_NUM_THREADS': str(self.suite.threads),
            **self.environment,
            'PYTHONPATH': os.pathsep.join(paths),
        }
        log = self.folder / f'{step}.log'
        begin = time.perf_counter()
        with log.open('ab') as file:
            self.process = subprocess.Popen(
                command,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                pass_fds=self.keep_open,
            )
            try:
                status = self.process.wait()
            finally:
                self.stop()
        times = self._wall_times()
        times[step] = times.get(step, 0.0) + time.perf_counter() - begin
        write_json(self.folder / WALL_TIMES, times)
        if status != 0:
            lines = log.read_text(errors='replace').strip().splitlines()[-LAST_LINES:]
            raise InputError(
                f'{self.name}: {script} ended with status {status}, see {log}: {" ".join(lines)}'
            )

    def _wall_times(self) -> dict[str, float]:
        path = self.folder / WALL_TIMES
        return json.loads(path.read_text()) if path.is_file() else {}


def has_all_tests(suite: Suite, result: dict[str, Any]) -> bool:
    """Whether a run was tested in all ways that are for its recipe."""
    return suite.tests_of(result['recipe']).keys() <= result['tests'].keys()


def final_checkpoint(work_dir: Path, budget: Budget) -> Path:
    """Where the checkpoint of the end of a training is."""
    return work_dir / f'epoch_{budget.rounds}.pth'
