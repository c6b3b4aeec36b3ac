"""Watching datasets of MMDetection while they read their annotation files.

MMDetection reads a COCO file with pycocotools, which takes the last of several entries with one id,
and forgets the file afterwards. What is wrong with it is found where it is in memory anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
from mmdet.datasets import BaseDetDataset, CocoDataset
from mmengine.dataset import BaseDataset
from pycocotools.coco import COCO

from mmsniper.errors import InputError
from mmsniper.utils.coco_entries import (
    check_coco_content,
    complete_annotations,
    entry_name,
    find_loose_ends,
)

from .annotation_file import check_annotation_file, check_class_names, check_known_classes


@dataclass(frozen=True)
class FileRecord:
    """What a COCO annotation file holds.

    Attributes:
        dataset: The dataset that has read it.
        path (str): The file.
        names (dict): Name of each category by its id.
        num_images (int): How many images it lists.
        num_small_images (int): How many of them the dataset's ``min_size`` leaves out.
        num_annotations (int): How many annotations it lists.
        num_other_classes (int): How many of them are of classes that the dataset does not have.
        num_ignored (int): How many of the others MMDetection leaves out for their ``ignore``.
        num_loose (int): How many annotations are of an image that the file does not list.
    """

    dataset: CocoDataset
    path: str
    names: dict
    num_images: int
    num_small_images: int
    num_annotations: int
    num_other_classes: int
    num_ignored: int
    num_loose: int


class AnnotationReading:
    """What was found out while datasets read their annotation files.

    Attributes:
        records (list[FileRecord]): The COCO files that were read.
        notes (list[str]): Sentences for the log about what was left out or filled in.
        num_dropped (int): How many annotations of wanted classes MMDetection left out without a
            word, because their box is below one pixel or outside the image.
    """

    def __init__(self) -> None:
        self.records: list[FileRecord] = []
        self.notes: list[str] = []
        self.num_dropped = 0
        self._being_read: list[BaseDataset] = []

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Check all that datasets read inside this context.

        A dataset that no image is left of does not fail, so that it may stand beside others.

        Raises:
            InputError: A file is unusable, or contradicts itself or its dataset's classes.
        """
        with ExitStack() as stack:
            for owner, name, make in (
                (BaseDataset, 'full_init', self._watch_full_init),
                (BaseDetDataset, 'full_init', self._watch_full_init),
                (BaseDataset, '_serialize_data', _allow_nothing),
                (COCO, 'createIndex', self._watch_index),
                (CocoDataset, 'parse_data_info', self._watch_parsing),
            ):
                stack.enter_context(_replaced(owner, name, make))
            yield

    def record_of(self, dataset) -> FileRecord | None:
        """The record of a dataset, or None if it read no COCO file while it was watched."""
        return next((record for record in self.records if record.dataset is dataset), None)

    def _watch_full_init(self, full_init: Callable) -> Callable:
        def watched_full_init(dataset) -> None:
            if getattr(dataset, '_fully_initialized', False):
                return
            check_class_names(dataset)
            self._being_read.append(dataset)
            try:
                full_init(dataset)
            except InputError:
                raise
            except Exception:
                check_annotation_file(dataset)
                raise
            finally:
                self._being_read.pop()

        return watched_full_init

    def _watch_index(self, create_index: Callable) -> Callable:
        def watched_index(coco: COCO) -> None:
            if self._being_read and isinstance(self._being_read[-1], CocoDataset):
                self._check(self._being_read[-1], coco.dataset)
            create_index(coco)

        return watched_index

    def _watch_parsing(self, parse: Callable) -> Callable:
        def watched_parsing(dataset, raw_data_info: dict) -> dict:
            info = parse(dataset, raw_data_info)
            wanted = sum(
                not annotation.get('ignore') and annotation['category_id'] in dataset.cat2label
                for annotation in raw_data_info['raw_ann_info']
            )
            self.num_dropped += max(wanted - len(info['instances']), 0)
            return info

        return watched_parsing

    def _check(self, dataset: CocoDataset, content: dict) -> None:
        path = dataset.ann_file
        check_coco_content(path, content)
        images, annotations = content['images'], content['annotations']
        classes = dataset.metainfo['classes']
        check_known_classes(path, content['categories'], classes)
        filled, loose = complete_annotations(annotations), find_loose_ends(content)
        self.notes += _notes(path, content, filled, loose)
        wanted = {entry['id'] for entry in content['categories'] if entry['name'] in classes}
        min_size = (dataset.filter_cfg or {}).get('min_size', 0)
        of_classes = [entry for entry in annotations if entry['category_id'] in wanted]
        self.records.append(
            FileRecord(
                dataset=dataset,
                path=path,
                names={entry['id']: entry['name'] for entry in content['categories']},
                num_images=len(images),
                num_small_images=sum(
                    min(image['height'], image['width']) < min_size for image in images
                ),
                num_annotations=len(annotations),
                num_other_classes=len(annotations) - len(of_classes),
                num_ignored=sum(bool(entry.get('ignore')) for entry in of_classes),
                num_loose=len(loose['image_id']),
            )
        )


def _notes(
    path: str, content: dict, filled: dict[str, int], loose: dict[str, list[int]]
) -> list[str]:
    """Sentences about what was filled in, what points nowhere and what is there twice."""
    file = f'annotation file {path}'
    notes = []
    if filled['area']:
        notes.append(
            f'{filled["area"]} annotations have no area above 0 in {file}; that of their box is '
            'taken.'
        )
    if filled['iscrowd']:
        notes.append(
            f"{filled['iscrowd']} annotations have no 'iscrowd' in {file}; they are taken for none."
        )
    twice = 'the same file as one before, and objects of one are background in the other'
    for key, section, text in (
        ('image_id', 'annotations', 'of an image that is not listed; they are left out'),
        ('category_id', 'annotations', 'of a category that is not listed; they are left out'),
        ('file_name', 'images', f'{twice}; list each file once'),
    ):
        if loose[key]:
            first = entry_name(section, content[section], loose[key][0])
            notes.append(
                f'{len(loose[key])} {section} in {file} (the first is {first}) are {text}.'
            )
    return notes


@contextmanager
def _replaced(owner: type, name: str, make: Callable[[Callable], Callable]) -> Iterator[None]:
    """Replace a method by what ``make`` makes of it, for the time of a context."""
    method = owner.__dict__[name]
    setattr(owner, name, make(method))
    try:
        yield
    finally:
        setattr(owner, name, method)


def _allow_nothing(serialize: Callable) -> Callable:
    """Packing the information on no image at all, which NumPy could not concatenate."""

    def serialize_any(dataset) -> tuple[np.ndarray, np.ndarray]:
        if not dataset.data_list:
            return np.zeros(0, np.uint8), np.zeros(0, np.int64)
        return serialize(dataset)

    return serialize_any
