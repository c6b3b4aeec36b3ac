"""A few drawn images in the format of every dataset type of the zoo, without any download."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from mmdet.registry import DATASETS
from mmengine.config import Config

from mmsniper.datasets.nesting import nested_configs

from .fake_formats import WRITERS, corners_of

SIZES = ((160, 200), (200, 160), (176, 192))  # height and width of each image
# Corners of the objects as shares of the image: small ones, middling ones and a large one.
_OBJECTS = np.array(
    [
        (0.05, 0.05, 0.15, 0.16),
        (0.75, 0.10, 0.86, 0.19),
        (0.30, 0.06, 0.56, 0.30),
        (0.62, 0.60, 0.90, 0.92),
        (0.04, 0.33, 0.58, 0.95),
    ]
)
_NUM_PROPOSALS = 30


class FakeData:
    """Drawn images below a folder, and annotation files for the configs that ask for them.

    Args:
        folder: Where to write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rng = np.random.default_rng(0)
        for part in ('images', 'segmentation'):
            (folder / part).mkdir(parents=True, exist_ok=True)
        self.images = []
        for index, (height, width) in enumerate(SIZES):
            boxes = np.rint(_OBJECTS * [width, height, width, height]).astype(int).tolist()
            image = rng.integers(0, 80, (height, width, 3), np.uint8)
            regions = np.full((height, width), 255, np.uint8)
            for number, box in enumerate(boxes):
                points = np.array(corners_of(box)).reshape(-1, 2)
                colour = rng.integers(120, 255, 3).tolist()
                cv2.fillPoly(image, [points], colour)
                cv2.fillPoly(regions, [points], number)
            cv2.imwrite(str(folder / 'images' / f'{index}.jpg'), image)
            cv2.imwrite(str(folder / 'segmentation' / f'{index}.png'), regions)
            self.images.append((str(index), height, width, boxes))

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
            data['proposal_file'] = str(self._proposals())
        return str(self.folder / data['ann_file'])

    def once(self, name: str, write: Callable[[Path], None]) -> Path:
        """A file in the folder, which is written unless it is there."""
        path = self.folder / name
        if not path.exists():
            write(path)
        return path

    def _proposals(self) -> Path:
        """Boxes on and around the objects, as an RPN's."""
        rng = np.random.default_rng(0)
        found = {}
        for name, height, width, boxes in self.images:
            near = np.array(boxes)[rng.integers(0, len(boxes), _NUM_PROPOSALS)]
            near = near + rng.normal(0, 5, near.shape)
            near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 4)
            near = near.clip(0, [width, height, width, height]).astype(np.float32)
            scores = rng.random(_NUM_PROPOSALS).astype(np.float32)
            found[f'images/{name}.jpg'] = dict(bboxes=near, scores=scores)
        return self.once('proposals.pkl', lambda path: path.write_bytes(pickle.dumps(found)))
