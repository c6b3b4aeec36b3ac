"""Making a file of proposals, in one go or in several."""

import json
import multiprocessing
import os

import numpy as np
import pytest
import torch
from coco_files import write_coco
from mmdet.registry import DATASETS
from mmengine.structures import InstanceData
from read_recorder import readers
from torch import nn

from mmsniper import InputError
from mmsniper.apis import extract_proposals, unique_images
from mmsniper.apis.proposals import join_tables
from mmsniper.apis.pyramid_detection import detect_on_pyramid, pyramid_dataset
from mmsniper.datasets.proposal_file import ProposalTable, read_proposals, write_proposals

SIZES = [(100, 140), (120, 90), (80, 80), (100, 100), (96, 128)]
BOXES = [
    [(10, 10, 20, 20), (60, 40, 50, 50)],
    [(5, 60, 30, 30)],
    [],
    [(0, 0, 90, 90), (50, 50, 12, 12)],
    [(70, 30, 25, 35)],
]
VIEWS = dict(
    type='ChipDataset',
    test_mode=True,
    levels=[1.0, 0.5],
    valid_ranges=[(-1, 40), (30, -1)],
    tile_size=80,
    tile_overlap=0.6,
    pipeline=[
        dict(type='LoadIntactImage'),
        dict(type='ChipSample'),
        dict(type='ScaleNormalize'),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='PackChipInputs'),
    ],
    # Not read: proposals are extracted for other images.
    dataset=dict(type='CocoDataset', ann_file='does/not/exist.json'),
)


class Oracle(nn.Module):
    """Finds all objects that are whole in a view, and breaks down where it is told to."""

    def __init__(self, objects: dict, stop_after: int = 10**9) -> None:
        super().__init__()
        self.objects, self.stop_after, self.seen = objects, stop_after, []

    def test_step(self, batch: dict) -> list:
        for sample in batch['data_samples']:
            name = os.path.basename(sample.img_path)
            if name not in self.seen:
                if len(self.seen) == self.stop_after:
                    raise KeyboardInterrupt
                self.seen.append(name)
            boxes = torch.tensor(self.objects[name], dtype=torch.float32).reshape(-1, 4)
            left, top, right, bottom = sample.chip.tolist()
            limits = torch.tensor([left, top, right, bottom])
            inside = (boxes[:, :2] >= limits[:2]).all(1) & (boxes[:, 2:] <= limits[2:]).all(1)
            boxes = boxes[inside] - torch.tensor([left, top, left, top])
            sample.pred_instances = InstanceData(
                bboxes=boxes,
                scores=torch.full((len(boxes),), 0.9),
                labels=torch.zeros(len(boxes), dtype=torch.long),
            )
        return batch['data_samples']


@pytest.fixture
def data(tmp_path):
    config = write_coco(tmp_path, SIZES, BOXES)
    dataset = DATASETS.build(dict(config, filter_cfg=dict(filter_empty_gt=False)))
    objects = {
        f'{index}.png': [(x, y, x + w, y + h) for x, y, w, h in boxes]
        for index, boxes in enumerate(BOXES)
    }
    return dataset, objects


def extract(dataset, model, path, **options) -> None:
    options = dict(fingerprint=dict(checkpoint='a'), num_workers=0, images_per_part=2) | options
    extract_proposals(model, dataset, VIEWS, path, **options)


def assert_all_objects(table: ProposalTable, objects: dict) -> None:
    for row, name in enumerate(table.names.tolist()):
        found = table.boxes[slice(*table.image_starts[row : row + 2])]
        assert sorted(found.tolist()) == sorted(map(list, objects[name]))
        assert (table.heights[row], table.widths[row]) == SIZES[int(name[0])]


@pytest.mark.parametrize('kind', ['nms', 'nmm', 'wbf'])
def test_views_are_merged_in_pixels_of_the_image(data, tmp_path, kind):
    dataset, objects = data
    model = Oracle(objects).train()
    nms = dict(type=kind, iou_threshold=0.7)
    extract(dataset, model, tmp_path / 'out' / 'proposals.npz', nms=nms)
    table = read_proposals(tmp_path / 'out' / 'proposals.npz')
    assert table.names.tolist() == [f'{index}.png' for index in range(5)]
    assert_all_objects(table, objects)
    assert np.allclose(table.scores, 0.9)
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['proposals.npz']
    assert model.training, 'the model is as it was'


@pytest.mark.parametrize('batch_size', [1, 3])
def test_one_worker_loads_all_views_of_an_image(data, tmp_path, batch_size):
    dataset, objects = data
    pipeline = list(VIEWS['pipeline'])
    pipeline.insert(1, dict(type='RecordRead', file=str(tmp_path / 'reads')))
    views = pyramid_dataset(dataset, dict(VIEWS, pipeline=pipeline))
    found = []
    detect_on_pyramid(
        Oracle(objects),
        views,
        found.append,
        nms=dict(type='nms', iou_threshold=0.7),
        max_per_image=100,
        batch_size=batch_size,
        num_workers=2,
    )
    names = [os.path.basename(sample.img_path) for sample in found]
    assert names == [f'{index}.png' for index in range(5)], 'in the order of the images'
    for name, sample in zip(names, found):
        boxes = sample.pred_instances.bboxes.tolist()
        assert sorted(boxes) == sorted(map(list, objects[name]))
    shared = [name for name, of in readers(tmp_path / 'reads').items() if len(of) > 1]
    assert len(shared) <= 1


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(batch_size=0), 'batch_size=0 must be 1 or more views, a whole number'),
        (dict(num_workers=-1), 'num_workers=-1 must be 0 or more, a whole number'),
        (dict(max_per_image=1.5), 'max_per_image=1.5 must be 1 or more detections'),
    ],
)
def test_impossible_settings_of_detection(data, settings, message):
    nms = dict(type='nms', iou_threshold=0.5)
    dataset, objects = data
    views = pyramid_dataset(dataset, VIEWS)
    model = Oracle(objects).train()
    with pytest.raises(InputError, match=message):
        detect_on_pyramid(model, views, print, **{'nms': nms, 'max_per_image': 9, **settings})
    assert model.training and not model.seen


@pytest.mark.parametrize('stop_after', [1, 3, 4])
def test_an_interrupted_extraction_goes_on(data, tmp_path, stop_after):
    dataset, objects = data
    path = tmp_path / 'proposals.npz'
    with pytest.raises(KeyboardInterrupt):
        extract(dataset, Oracle(objects, stop_after), path)
    assert not path.exists()
    second = Oracle(objects)
    extract(dataset, second, path)
    assert len(second.seen) == 5 - stop_after // 2 * 2, 'only what was not written yet'
    assert_all_objects(read_proposals(path), objects)
    assert not (tmp_path / 'proposals.npz.parts').exists()


def test_parts_of_another_checkpoint_are_not_gone_on_with(data, tmp_path):
    dataset, objects = data
    path = tmp_path / 'proposals.npz'
    with pytest.raises(KeyboardInterrupt):
        extract(dataset, Oracle(objects, 3), path)
    with pytest.raises(InputError, match='of an extraction with other settings or another check'):
        extract(dataset, Oracle(objects), path, fingerprint=dict(checkpoint='b'))
    assert json.loads((tmp_path / 'proposals.npz.parts' / 'run.json').read_text())


@pytest.mark.parametrize('stop_after', [None, 3])
def test_one_extraction_after_the_other_into_one_file(data, tmp_path, stop_after):
    """Finished or not, what another one has made is named, and stays as it is."""
    dataset, objects = data
    path = tmp_path / 'proposals.npz'
    if stop_after is None:
        extract(dataset, Oracle(objects), path)
    else:
        with pytest.raises(KeyboardInterrupt):
            extract(dataset, Oracle(objects, stop_after), path)
    there = path if stop_after is None else tmp_path / 'proposals.npz.parts'
    before = {file: file.read_bytes() for file in tmp_path.rglob('*') if file.is_file()}
    subset = dataset.get_subset(2)
    for images, fingerprint, what in (
        (dataset, dict(checkpoint='b'), 'another checkpoint'),
        (subset, dict(checkpoint='a'), 'another images'),
        (subset, dict(checkpoint='b'), 'another checkpoint and images'),
    ):
        with pytest.raises(InputError) as caught:
            extract(images, Oracle(objects), path, fingerprint=fingerprint)
        assert str(caught.value) == (
            f'{there} is of an extraction with other settings or another checkpoint ({what}): '
            'delete it to begin anew, or name another file'
        )
    after = {file: file.read_bytes() for file in tmp_path.rglob('*') if file.is_file()}
    assert after == before
    second = Oracle(objects)
    extract(dataset, second, path)
    assert len(second.seen) == (0 if stop_after is None else 3), 'the same one is gone on with'
    extract(subset, Oracle(objects), path, anew=True)
    assert read_proposals(path).names.tolist() == ['0.png', '1.png']


def test_a_file_that_does_not_say_what_it_was_made_with(data, tmp_path):
    dataset, objects = data
    path = tmp_path / 'proposals.npz'
    extract(dataset, Oracle(objects), path)
    write_proposals(path, read_proposals(path))
    with pytest.raises(InputError, match=r'proposals\.npz does not say which checkpoint .* delete'):
        extract(dataset, Oracle(objects), path)


def test_two_extractions_into_one_file_at_once(data, tmp_path):
    dataset, objects = data
    path = tmp_path / 'proposals.npz'

    class Second(Oracle):
        refused = None

        def test_step(self, batch):
            if self.refused is None:
                with pytest.raises(InputError) as caught:
                    extract(dataset.get_subset(2), Oracle(objects), path)
                self.refused = str(caught.value)
            return super().test_step(batch)

    first = Second(objects)
    extract(dataset, first, path)
    assert first.refused.startswith(f'another extraction writes {path} at this moment: wait')
    assert_all_objects(read_proposals(path), objects)
    assert [file.name for file in tmp_path.glob('*proposals*')] == ['proposals.npz']


@pytest.mark.parametrize('share', [0, 0.5, 0.98])
def test_a_file_or_part_that_is_cut_short_is_done_again(data, tmp_path, share):
    dataset, objects = data
    path = tmp_path / 'proposals.npz'

    def cut(file):
        file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])

    with pytest.raises(KeyboardInterrupt):
        extract(dataset, Oracle(objects, 4), path)
    cut(min((tmp_path / 'proposals.npz.parts').glob('*.npz')))
    second = Oracle(objects)
    extract(dataset, second, path)
    assert second.seen == ['0.png', '1.png', '4.png']
    assert_all_objects(read_proposals(path), objects)
    cut(path)
    third = Oracle(objects)
    extract(dataset, third, path)
    assert len(third.seen) == 5
    assert_all_objects(read_proposals(path), objects)


def test_a_record_of_parts_that_is_cut_short(data, tmp_path):
    dataset, objects = data
    path = tmp_path / 'proposals.npz'
    with pytest.raises(KeyboardInterrupt):
        extract(dataset, Oracle(objects, 3), path)
    (tmp_path / 'proposals.npz.parts' / 'run.json').write_text('{"chec')
    with pytest.raises(InputError, match=r'npz\.parts does not say which checkpoint'):
        extract(dataset, Oracle(objects), path)


def test_a_folder_in_the_place_of_the_file_is_seen_before_the_work(data, tmp_path):
    dataset, objects = data
    (tmp_path / 'a.npz').mkdir()
    model = Oracle(objects)
    with pytest.raises(InputError, match=r'a\.npz is a folder: name a file'):
        extract(dataset, model, tmp_path / 'a.npz')
    assert model.seen == []


def test_what_is_not_finite_is_counted_in_the_log(data, tmp_path, monkeypatch):
    dataset, objects = data

    class Diverged(Oracle):
        count = 0

        def test_step(self, batch):
            samples = super().test_step(batch)
            for sample in samples:
                sample.pred_instances.scores[:] = float('nan')
                self.count += len(sample.pred_instances)
            return samples

    model, messages = Diverged(objects), []
    monkeypatch.setattr(
        'mmsniper.evaluation.merging_evaluator.print_log', lambda text, **_: messages.append(text)
    )
    extract(dataset, model, tmp_path / 'proposals.npz')
    assert len(read_proposals(tmp_path / 'proposals.npz').boxes) == 0
    (message,) = messages
    assert message.startswith(f'{model.count} detections were NaN or infinite') and model.count


def test_a_limit_and_a_selection(data, tmp_path):
    dataset, objects = data
    extract(dataset, Oracle(objects), tmp_path / 'a.npz', max_per_image=1)
    assert np.diff(read_proposals(tmp_path / 'a.npz').image_starts).tolist() == [1, 1, 0, 1, 1]

    def only_large(index, sample):
        width = sample.pred_instances.bboxes[:, 2] - sample.pred_instances.bboxes[:, 0]
        assert dataset.get_data_info(index)['img_path'] == sample.img_path
        return (width > 40).numpy()

    extract(dataset, Oracle(objects), tmp_path / 'b.npz', select=only_large)
    boxes = read_proposals(tmp_path / 'b.npz').boxes
    assert sorted(boxes.tolist()) == [[0, 0, 90, 90], [60, 40, 110, 90]]


def test_repeated_images_are_looked_at_once(data, tmp_path):
    dataset, objects = data
    repeated = DATASETS.build(dict(type='RepeatDataset', dataset=dataset, times=3))
    model = Oracle(objects)
    extract(repeated, model, tmp_path / 'proposals.npz')
    assert len(read_proposals(tmp_path / 'proposals.npz')) == 5
    assert unique_images(['b', 'a', 'b', 'c', 'a']).tolist() == [0, 1, 3]


def test_a_dataset_of_whole_images_has_no_levels(data, tmp_path):
    dataset, objects = data
    with pytest.raises(InputError, match="is 'CocoDataset'; it must be a ChipDataset"):
        extract_proposals(
            Oracle(objects),
            dataset,
            dict(type='CocoDataset'),
            tmp_path / 'proposals.npz',
            fingerprint={},
        )


def test_images_in_no_part_are_named():
    empty = ProposalTable(
        names=np.array(['a.jpg']),
        heights=np.array([4]),
        widths=np.array([4]),
        image_starts=np.array([0, 0]),
        boxes=np.zeros((0, 4), np.float32),
        scores=np.zeros(0, np.float32),
    )
    with pytest.raises(InputError, match='1 images have no proposals, such as b.jpg'):
        join_tables([empty], np.array(['a.jpg', 'b.jpg']))


def _refused(rank: int, folder: str, objects: dict) -> None:
    with pytest.raises(InputError, match='a folder: name a file'):
        _work(rank, folder, objects)


def _work(rank: int, folder: str, objects: dict) -> None:
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/meeting', rank=rank, world_size=2
    )
    dataset = DATASETS.build(
        dict(
            type='mmdet.CocoDataset',
            data_root=folder,
            ann_file='annotations.json',
            data_prefix=dict(img=''),
            metainfo=dict(classes=('a', 'b')),
        )
    )
    extract(dataset, Oracle(objects), f'{folder}/two.npz', images_per_part=1)
    torch.distributed.destroy_process_group()


def run_in_two_processes(work, *arguments):
    context = multiprocessing.get_context('fork')
    processes = [context.Process(target=work, args=(rank, *arguments)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0


def test_two_processes_share_the_images(data, tmp_path):
    dataset, objects = data
    run_in_two_processes(_work, str(tmp_path), objects)
    extract(dataset, Oracle(objects), tmp_path / 'one.npz')
    one, two = (read_proposals(tmp_path / f'{name}.npz') for name in ('one', 'two'))
    assert one.names.tolist() == two.names.tolist()
    assert np.array_equal(one.boxes, two.boxes)
    assert np.array_equal(one.image_starts, two.image_starts)


def test_an_error_of_one_process_ends_both(data, tmp_path):
    _, objects = data
    (tmp_path / 'two.npz').mkdir()
    run_in_two_processes(_refused, str(tmp_path), objects)
