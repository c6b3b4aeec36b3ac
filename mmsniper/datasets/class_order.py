"""Whether all datasets of a run mean the same class by the same label."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet.datasets import CocoDataset

from mmsniper.errors import InputError

from .annotation_file import describe
from .annotation_reading import AnnotationReading
from .nesting import innermost_datasets, nested_datasets


def common_label_names(dataset, reading: AnnotationReading) -> tuple[str, ...]:
    """The names of a dataset's labels, which are those of all datasets inside of it.

    They are the classes of its ``metainfo``, but for ``CocoDataset``, which numbers classes in the
    order of the file's categories: where that is another, a note for the log is added to
    ``reading``.

    Args:
        dataset: A dataset or wrapper, after ``full_init``.
        reading (AnnotationReading): Watched it.

    Returns:
        tuple[str, ...]: The name of each label.

    Raises:
        InputError: Datasets inside number their classes differently.
    """
    wrappers = list(nested_datasets(dataset))
    if any('classes' in getattr(wrapper, 'ignore_keys', ()) for wrapper in wrappers):
        return tuple(wrappers[-1].metainfo['classes'])
    first = None
    for inner in innermost_datasets(dataset):
        names = _label_names(inner, reading)
        if getattr(inner, 'return_classes', False):
            continue  # an item brings the names of its labels along
        if first is None:
            first, common = inner, names
        elif names != common:
            raise InputError(
                f'the datasets inside ChipDataset number their classes differently: '
                f'{_difference(describe(first), common, describe(inner), names)}'
            )
    return () if first is None else common


def check_same_order(train: Sequence[str], val: Sequence[str]) -> None:
    """Raise an InputError if training and validation have the same classes in another order."""
    if tuple(train) != tuple(val) and sorted(train) == sorted(val):
        difference = _difference('the training', train, 'the validation', val)
        raise InputError(f'training and validation number their classes differently: {difference}')


def _label_names(dataset, reading: AnnotationReading) -> tuple[str, ...]:
    classes = tuple(dataset.metainfo.get('classes') or ())
    record = reading.record_of(dataset)
    if record is None:
        if isinstance(dataset, CocoDataset) and len(dataset.cat_ids) != len(classes):
            raise InputError(
                f"metainfo['classes'] has {len(classes)} classes, but {describe(dataset)} has "
                f'{len(dataset.cat_ids)} categories of these names; make them the same'
            )
        return classes
    names = tuple(record.names[category] for category in dataset.cat_ids)
    if names != classes:
        label = next(i for i, name in enumerate(names) if name != classes[i])
        reading.notes.append(
            f"metainfo['classes'] has another order than the categories of annotation file "
            f'{record.path}, by which MMDetection numbers them: label {label}, called '
            f'{classes[label]!r}, is {names[label]!r}; put the classes into the order of the file.'
        )
    return names


def _difference(
    first: str, first_names: Sequence[str], second: str, second_names: Sequence[str]
) -> str:
    """Two ways to number classes and what to do, in words."""
    rest = "give both the same metainfo['classes'], and COCO files the same order of 'categories'"
    if len(first_names) != len(second_names):
        return f'{first} has {len(first_names)} of them, {second} has {len(second_names)}; {rest}'
    label = next(i for i, name in enumerate(first_names) if name != second_names[i])
    return (
        f'label {label} is {first_names[label]!r} in {first}, but {second_names[label]!r} in '
        f'{second}; {rest}'
    )
