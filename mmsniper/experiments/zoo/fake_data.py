"""A few drawn images in the format of every dataset type of the zoo, without any download."""

from __future__ import annotations

from mmdet.registry import DATASETS
from mmengine.config import Config

from mmsniper.datasets.nesting import nested_configs

from .drawn_images import DrawnImages
from .fake_formats import WRITERS


class FakeData(DrawnImages):
    """Drawn images below a folder, and annotation files for the configs that ask for them."""

    def give_to(self, config: Config) -> None:
        """Let all datasets and metrics of a config read the drawn images, in place.

        Args:
            config: With any of the dataset types in ``WRITERS`` or classes derived from these.

        Raises:
            TypeError: Of another dataset type.
        """
        annotations: dict[str, str] = {}
        kinds: set[str] = set()
        for split in ('train', 'val', 'test'):
            loader = config.get(f'{split}_dataloader')
            for data in nested_configs(loader['dataset']) if loader else ():
                if 'dataset' not in data and 'datasets' not in data:
                    annotations[split] = self._point(data)
                    kinds.add(data['type'])
        for split in ('val', 'test'):
            evaluators = config.get(f'{split}_evaluator')
            if not evaluators:
                continue
            evaluators = evaluators if isinstance(evaluators, (list, tuple)) else [evaluators]
            known = []
            for evaluator in evaluators:
                if 'ann_file' in evaluator and split in annotations:
                    evaluator['ann_file'] = annotations[split]
                if evaluator['type'] == 'LVISMetric':
                    # The package lvis uses what NumPy 1.24 took away; its files are COCO's as well.
                    evaluator['type'] = 'CocoMetric'
                if 'OpenImagesChallengeDataset' in kinds:
                    # It does not say what are groups under the name that its metric asks for.
                    evaluator = dict(type='VOCMetric')
                # This one compares pictures of whole scenes with those that only Cityscapes has.
                if evaluator['type'] != 'CityScapesMetric':
                    known.append(evaluator)
            config[f'{split}_evaluator'] = known[0] if len(known) == 1 else known

    def _point(self, data: dict) -> str:
        """Let one dataset read the drawn images; its annotation file."""
        bases = [base.__name__ for base in DATASETS.get(data['type']).__mro__]
        writer = next((WRITERS[base] for base in bases if base in WRITERS), None)
        if writer is None:
            raise TypeError(f'no drawn images in the format of {data["type"]}')
        data['data_root'] = str(self.folder)
        writer(self, data)
        if data.get('proposal_file'):
            data['proposal_file'] = str(self.proposals())
        return str(self.folder / data['ann_file'])
