"""Views that are padded to a least size give the same detections as those that are not."""

import copy

import numpy as np
import pytest
import torch
from mmdet.models.detectors.base import BaseDetector
from mmdet.structures import DetDataSample
from mmengine.dataset import pseudo_collate
from mmengine.structures import InstanceData
from painted_scenes import CLASSES, SIDES, seen_box, write_scenes

from mmsniper.datasets import ChipDataset
from mmsniper.evaluation import MergingEvaluator

LEAST_SIZE = 150
PIPELINE = [
    dict(type='LoadIntactImage'),
    dict(type='ChipSample'),
    dict(type='ScaleNormalize'),
    dict(type='RandomFlip', prob=[0.3, 0.2, 0.2], direction=['horizontal', 'vertical', 'diagonal']),
    dict(type='PackChipInputs'),
]


class PaintFinder(BaseDetector):
    """Finds the painted objects in its input, wherever it is padded."""

    def predict(self, batch_inputs, batch_data_samples, rescale=True):
        for image, sample in zip(batch_inputs, batch_data_samples):
            picture = image.permute(1, 2, 0).numpy()
            boxes = {label: seen_box(picture, label) for label in range(len(CLASSES))}
            labels = [label for label, box in boxes.items() if box is not None]
            found = np.array([boxes[label] for label in labels], np.float32).reshape(-1, 4)
            found /= np.array(sample.scale_factor * 2, np.float32)
            sample.pred_instances = InstanceData(
                bboxes=torch.from_numpy(found),
                scores=torch.ones(len(labels)),
                labels=torch.tensor(labels),
            )
        self.input_size = tuple(batch_inputs.shape[-2:])
        return batch_data_samples

    def extract_feat(self, batch_inputs): ...

    def loss(self, batch_inputs, batch_data_samples): ...

    def _forward(self, batch_inputs, batch_data_samples=None): ...


class Recorder:
    """Takes the place of an evaluator and keeps what it gets."""

    def __init__(self):
        self.samples: list[DetDataSample] = []

    def process(self, data_samples, data_batch=None):
        self.samples += copy.deepcopy(data_samples)


def detections(dataset, **preprocessor):
    """Merged boxes and labels of each image, sorted, and the sizes of the inputs."""
    model = PaintFinder(data_preprocessor=preprocessor).eval()
    recorder, sizes = Recorder(), set()
    evaluator = MergingEvaluator(recorder, num_images=len(dataset.view_starts) - 1)
    np.random.seed(0)
    for view in dataset:
        samples = model.test_step(pseudo_collate([view]))
        sizes.add(model.input_size)
        evaluator.process(samples)
    found = []
    for sample in recorder.samples:
        instances = sample.pred_instances
        order = instances.labels.argsort(stable=True)
        found.append((instances.bboxes[order].numpy(), instances.labels[order].tolist()))
    return found, sizes


@pytest.mark.parametrize(
    'tiles', [{}, dict(tile_size=100, tile_overlap=0.5)], ids=['whole', 'tiles']
)
def test_the_same_boxes(tmp_path, tiles):
    scenes = write_scenes(tmp_path, shape=(90, 260))
    dataset = ChipDataset(
        dict(scenes, test_mode=True),
        PIPELINE,
        test_mode=True,
        levels=[2.0, 1.0],
        valid_ranges=[(-1, 24), (20, -1)],
        **tiles,
    )
    plain, sizes = detections(dataset, type='DetDataPreprocessor')
    padded, padded_sizes = detections(dataset, type='ChipDataPreprocessor', least_size=LEAST_SIZE)
    assert min(min(size) for size in sizes) < LEAST_SIZE
    assert padded_sizes == {tuple(max(side, LEAST_SIZE) for side in size) for size in sizes}
    assert len(plain) == len(padded) == 3
    for (boxes, labels), (other_boxes, other_labels) in zip(plain, padded):
        assert labels == other_labels == list(range(len(CLASSES)))
        np.testing.assert_array_equal(boxes, other_boxes)
        np.testing.assert_allclose(boxes[:, 2:] - boxes[:, :2], SIDES, atol=1)
