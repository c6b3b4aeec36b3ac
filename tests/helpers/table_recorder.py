"""A hook that keeps the chips that a ChipDataset has in each epoch."""

from mmdet.registry import HOOKS
from mmengine.hooks import Hook


@HOOKS.register_module()
class TableRecorder(Hook):
    """Keeps a copy of the columns of the chip table of each epoch."""

    priority = 'VERY_LOW'

    def __init__(self):
        self.tables = {}

    def before_train_epoch(self, runner):
        table = runner.train_loop.dataloader.dataset.table
        columns = ('image', 'level', 'boxes', 'negative')
        self.tables[runner.epoch] = {column: getattr(table, column).copy() for column in columns}
