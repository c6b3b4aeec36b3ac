"""Pictures are looked for before a run."""

import pytest
from coco_files import LEVELS, PIPELINE, write_coco
from mmdet.registry import DATASETS
from mmengine.fileio import BaseStorageBackend, register_backend

from mmsniper import InputError
from mmsniper.datasets import ChipDataset, first_pictures
from mmsniper.datasets.first_pictures import NUM_PICTURES, check_first_pictures

SIZES = [(100, 100)] * 3
BOXES = [[(10, 10, 20, 20)]] * 3


@pytest.fixture
def inner(tmp_path):
    return write_coco(tmp_path, SIZES, BOXES)


def elsewhere(inner):
    return dict(inner, data_prefix=dict(img='elsewhere/'))


def chips(dataset, pipeline=PIPELINE, **settings):
    return dict(type='ChipDataset', dataset=dataset, pipeline=pipeline, **{**LEVELS, **settings})


def mixed(dataset):
    return dict(type='MultiImageMixDataset', dataset=dataset, pipeline=[])


WRAPPERS = [
    chips,
    lambda inner: chips(inner, test_mode=True),
    lambda inner: chips(dict(type='RepeatDataset', times=2, dataset=inner)),
    lambda inner: mixed(chips(inner)),
    lambda inner: chips(inner, pipeline=[dict(type='LoadImageFromFile'), *PIPELINE[1:]]),
    lambda inner: chips(inner, skip_broken_images=True),
    lambda inner: dict(inner, pipeline=[dict(type='LoadImageFromFile')]),
]


@pytest.mark.parametrize('wrap', WRAPPERS)
def test_a_wrong_folder_is_named(inner, wrap):
    check_first_pictures(DATASETS.build(wrap(inner)))
    with pytest.raises(InputError) as caught:
        check_first_pictures(DATASETS.build(wrap(elsewhere(inner))))
    root = inner['data_root']
    message = f'image {root}/elsewhere/0.png of annotation file {root}/annotations.json does not '
    assert str(caught.value).startswith(f'{message}exist, but {root}/0.png does (3 of the first 3')


def test_each_file_has_its_own_folder(inner):
    both = dict(type='ConcatDataset', datasets=[dict(inner), elsewhere(inner)])
    with pytest.raises(InputError, match='elsewhere/0.png'):
        check_first_pictures(DATASETS.build(chips(both)))


def test_one_missing_picture(inner, tmp_path):
    (tmp_path / '1.png').unlink()
    with pytest.raises(InputError, match='1.png .*1 of the first 3 are missing'):
        check_first_pictures(DATASETS.build(chips(inner)))
    check_first_pictures(DATASETS.build(chips(inner, skip_broken_images=True)))


def test_no_more_than_the_first_are_looked_for(tmp_path):
    number = NUM_PICTURES + 1
    config = write_coco(tmp_path, [(50, 50)] * number, [[(5, 5, 20, 20)]] * number)
    (tmp_path / f'{number - 1}.png').unlink()
    check_first_pictures(DATASETS.build(chips(config)))


@register_backend('fake_shelf')
class FakeShelf(BaseStorageBackend):
    """A storage that cannot tell what it has."""

    def get(self, filepath):
        return b''

    def get_text(self, filepath, encoding='utf-8'):
        return ''


@register_backend('fake_store')
class FakeStore(FakeShelf):
    """A storage of these files."""

    def __init__(self, names=()):
        self.names = names

    def exists(self, filepath):
        return filepath.rsplit('/', 1)[-1] in self.names


def test_other_storages(inner):
    def check(**backend_args):
        loader = dict(type='LoadImageFromFile', backend_args=backend_args)
        check_first_pictures(
            DATASETS.build(chips(elsewhere(inner), pipeline=[loader, *PIPELINE[1:]]))
        )

    check(backend='fake_shelf')
    check(backend='fake_store', names=['0.png', '1.png', '2.png'])
    with pytest.raises(InputError, match='elsewhere/1.png'):
        check(backend='fake_store', names=['0.png', '2.png'])


def test_other_loaders_may_read_anything(inner):
    class FromAnArchive(first_pictures.LoadImageFromFile):
        """Knows where pictures are."""

    check_first_pictures(ChipDataset(elsewhere(inner), [FromAnArchive(), *PIPELINE[1:]], **LEVELS))
    check_first_pictures(ChipDataset(elsewhere(inner), [], **LEVELS))
