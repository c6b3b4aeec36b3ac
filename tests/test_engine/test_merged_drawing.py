"""MMDetection draws merged images, each once."""

import logging
from pathlib import Path

import cv2
import fake_views as fakes
import numpy as np
import pytest
import torch
from mmdet.engine.hooks import DetVisualizationHook
from mmdet.visualization import DetLocalVisualizer
from mmengine.dataset import Compose

from mmsniper.datasets.transforms import LoadChip
from mmsniper.engine import ChipMergeHook, merged_drawing

WHITE = np.full((fakes.HEIGHT, fakes.WIDTH, 3), 255, np.uint8)


class Log(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def draw(tmp_path, num_images=5, folders=('',), hooks=None, num_workers=0, **settings):
    """A runner that draws, what it shows, and the lines of its log."""
    paths = []
    for image in range(num_images):
        folder = tmp_path / folders[image % len(folders)]
        folder.mkdir(exist_ok=True)
        paths.append(str(folder / f'{image // len(folders)}.png'))
        cv2.imwrite(paths[-1], WHITE)
    dataset = fakes.FakeViews(num_images)
    dataset.img_path = type('Paths', (), dict(format=lambda self, image: paths[image]))()
    visualizer = DetLocalVisualizer.get_instance(f'drawing_{tmp_path.name}')
    visualizer.dataset_meta = dataset.metainfo
    shown, pictures, add_datasample = [], [], visualizer.add_datasample

    def record(name, picture, data_sample, show=False, **kwargs):
        shown.append((name, picture.shape, data_sample, show))
        pictures.append(picture)
        add_datasample(name, picture, data_sample=data_sample, **kwargs)

    visualizer.add_datasample = record
    drawing = DetVisualizationHook(draw=True, **settings)
    drawing._visualizer = visualizer
    # Whether it is registered before or after the merging makes no difference.
    hooks = [drawing, ChipMergeHook(), ChipMergeHook()] if hooks is None else hooks(drawing)
    metric = fakes.RecordingMetric()
    runner = fakes.make_runner(
        tmp_path / 'run', dataset, metric, hooks, batch_size=4, num_workers=num_workers
    )
    log = Log()
    runner.logger.addHandler(log)
    drawing.pictures = pictures
    return runner, drawing, shown, log.lines


def drawn_box(picture):
    """The rectangle (x1, y1, x2, y2) around what is not white."""
    rows, columns = np.nonzero(np.abs(picture.astype(int) - WHITE).max(axis=2) > 60)
    return [columns.min(), rows.min(), columns.max(), rows.max()]


@pytest.mark.parametrize('order, num_workers', [(1, 0), (-1, 0), (1, 2)])
def test_each_image_is_drawn_once_when_it_is_merged(tmp_path, order, num_workers):
    runner, drawing, shown, lines = draw(
        tmp_path,
        hooks=lambda drawing: [drawing, ChipMergeHook()][::order],
        num_workers=num_workers,
        test_out_dir='pictures',
    )
    runner.test()
    assert [sample.img_id for _, _, sample, _ in shown] == list(range(5))
    for image, (_, shape, sample, _) in enumerate(shown):
        assert shape[:2] == sample.ori_shape == (fakes.HEIGHT, fakes.WIDTH)
        boxes, scores, _ = fakes.objects(image)
        found = sample.pred_instances
        order, found_order = (each.argsort(descending=True) for each in (scores, found.scores))
        torch.testing.assert_close(found.bboxes[found_order], boxes[order])
    files = sorted((tmp_path / 'run').rglob('pictures/*'))
    assert [file.name for file in files] == [f'{image}.png' for image in range(5)]
    picture = cv2.imread(str(files[1]))[:, fakes.WIDTH :]  # the left half shows the ground truth
    # The large object is drawn where it is in the image; labels may stick out at the top only.
    left, _, right, bottom = drawn_box(picture)
    assert left <= 22 and right >= 177 and bottom >= 107
    assert f'Drew 5 images into {files[0].parent}' in lines
    assert drawing in runner.hooks, 'all is as it was after the test'


def test_progress(tmp_path, monkeypatch):
    monkeypatch.setattr(merged_drawing, 'PROGRESS_INTERVAL', 2)
    runner, _, _, lines = draw(tmp_path, test_out_dir='pictures')
    runner.test()
    assert [line.split(' into')[0] for line in lines if line.startswith('Drew')] == [
        *('Drew 2 of 5 images', 'Drew 4 of 5 images', 'Drew 5 images')
    ]


def test_pictures_of_one_name_are_counted(tmp_path):
    runner, _, _, lines = draw(tmp_path, folders=('one', 'two'), test_out_dir='pictures')
    runner.test()
    assert len(list((tmp_path / 'run').rglob('pictures/*'))) == 3
    assert [line for line in lines if line.startswith('2 of the pictures were written over')]


@pytest.mark.filterwarnings('ignore:The show is True')
def test_pictures_on_screen(tmp_path):
    runner, _, shown, _ = draw(tmp_path, show=True)
    runner.test()
    assert [(name, show) for name, _, _, show in shown] == [(f'{i}.png', True) for i in range(5)]


@pytest.mark.parametrize('interval, drawn', [(1, [0, 1, 2, 3, 4]), (2, [0, 2, 4]), (5, [0])])
def test_the_interval_of_validation_counts_images(tmp_path, interval, drawn):
    runner, _, shown, _ = draw(tmp_path, interval=interval)
    for _ in range(2):
        shown.clear()
        runner.val()
        assert [sample.img_id for _, _, sample, _ in shown] == drawn
        assert all(shape[:2] == sample.ori_shape for _, shape, sample, _ in shown)


def test_an_aborted_test_leaves_no_trace(tmp_path):
    runner, drawing, shown, _ = draw(tmp_path, test_out_dir='pictures')
    broken = Path(runner.test_dataloader.dataset.img_path.format(1))
    broken.rename(tmp_path / 'elsewhere.png')
    with pytest.raises(FileNotFoundError):
        runner.test()
    (tmp_path / 'elsewhere.png').rename(broken)
    shown.clear()
    runner.test()
    assert [sample.img_id for _, _, sample, _ in shown] == list(range(5))
    assert drawing in runner.hooks


def test_without_drawing_nothing_is_said(tmp_path):
    runner, drawing, shown, lines = draw(tmp_path)
    drawing.draw = False
    runner.test()
    runner.val()
    assert not shown
    assert not [line for line in lines if line.startswith('Drew')]


def give_pipeline(dataset, *transforms):
    """Has a dataset load by these transforms."""
    dataset.pipeline = Compose(list(transforms))
    dataset.get_data_info = lambda index: dict(img_path=dataset.img_path.format(0))


def write_deep(path):
    """Four bands of 12 bits that no file of this kind says to be colours, and their pixels."""
    tifffile = pytest.importorskip('tifffile')
    rng = np.random.default_rng(0)
    samples = rng.integers(0, 4096, (fakes.HEIGHT, fakes.WIDTH, 4), np.uint16)
    tifffile.imwrite(path, samples, photometric='minisblack', planarconfig='contig')
    return (samples[:, :, 2::-1] // 16).astype(np.uint8)


@pytest.mark.parametrize('loop', ['test', 'val'])
@pytest.mark.parametrize('bands', [(3, 2, 1), (3, 2, 1, 4)])
def test_pixels_are_those_that_the_detector_gets(tmp_path, bands, loop):
    runner, drawing, shown, _ = draw(tmp_path, num_images=2, interval=1, test_out_dir='pictures')
    loops = dict(test=runner.test_loop, val=runner.val_loop)
    dataset = loops[loop].dataloader.dataset
    give_pipeline(dataset, LoadChip(bands=bands, depth_range=(0, 4095)))
    expected = [write_deep(dataset.img_path.format(image)) for image in range(2)]
    getattr(runner, loop)()
    assert [sample.img_id for _, _, sample, _ in shown] == [0, 1]
    for picture, pixels in zip(drawing.pictures, expected):
        np.testing.assert_array_equal(picture, pixels[:, :, ::-1])
    files = sorted(file.name for file in (tmp_path / 'run').rglob('pictures/*'))
    assert files == (['0.png', '1.png'] if loop == 'test' else [])


def test_a_hook_with_drawing_of_its_own_is_left_alone(tmp_path):
    class Hook(DetVisualizationHook):
        def after_test_iter(self, runner, batch_idx, data_batch, outputs):
            drawn.extend(sample.img_id for sample in outputs)

    drawn = []
    hooks = [Hook(draw=True), ChipMergeHook()]
    runner, _, _, _ = draw(tmp_path, hooks=lambda drawing: hooks)
    give_pipeline(runner.test_loop.dataloader.dataset, LoadChip())
    runner.test()
    assert drawn == list(range(5))
