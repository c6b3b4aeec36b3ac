"""Selecting some of an image's instances in every array that is aligned with them."""

from __future__ import annotations

import numpy as np

INSTANCE_KEYS = (
    'gt_bboxes',
    'gt_bboxes_labels',
    'gt_ignore_flags',
    'gt_masks',
    'gt_instances_ids',
    'gt_box_sizes',
    'gt_promoted',
    'gt_crowds',
)


def select_instances(results: dict, keep: np.ndarray) -> None:
    """Keep the instances marked in ``keep`` in all of the instance arrays, in place.

    Args:
        results (dict): The results of a pipeline after ``LoadAnnotations``.
        keep (np.ndarray): Which instances to keep, shape (n,), bool.
    """
    if keep.all():
        return
    for key in INSTANCE_KEYS:
        if results.get(key) is not None:
            # PolygonMasks takes integer indices only.
            results[key] = results[key][np.flatnonzero(keep)]
