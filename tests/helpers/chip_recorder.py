"""A hook that writes down, in every process of a training, which chips the detector was given."""

import os
import pickle
from pathlib import Path

from mmdet.registry import HOOKS
from mmengine.dist import get_rank
from mmengine.hooks import Hook


@HOOKS.register_module()
class Recorder(Hook):
    """Writes the chips of each epoch into the work folder, in the order of the batches.

    Each is ((image, sum of its pixels, which no flip changes), level, left, top, right, bottom).
    """

    priority = 'VERY_LOW'

    def before_run(self, runner):
        self.folder, self.given = runner.work_dir, {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        given = self.given.setdefault(runner.epoch, [])
        given += [
            ((s.img_id, int(pixels.sum())), s.chip_level, *s.chip.tolist())
            for pixels, s in zip(data_batch['inputs'], data_batch['data_samples'])
        ]

    def after_train(self, runner):
        with open(os.path.join(self.folder, f'chips_{get_rank()}.pkl'), 'wb') as file:
            pickle.dump(self.given, file)


def recorded(folder) -> dict[int, list[tuple]]:
    """The chips that each epoch of a training gave to the detector, of all ranks."""
    chips: dict[int, list[tuple]] = {}
    for path in sorted(Path(folder).glob('chips_*.pkl')):
        for epoch, given in pickle.loads(path.read_bytes()).items():
            chips.setdefault(epoch, []).extend(given)
    return chips
