"""Drawn sizes of objects, like those of well-known kinds of data."""

import json

import numpy as np

from mmsniper.analysis.coco_boxes import Annotations


def draw_annotations(image_sizes, sizes_of, per_image, seed=0, elongation=0.3):
    """Boxes anywhere in images.

    Args:
        image_sizes: (height, width) of each image.
        sizes_of: Called with a random generator and a number; gives that many sizes in pixels.
        per_image: Number of boxes in each image.
        seed: Of everything.
        elongation: Standard deviation of the logarithm of sides relative to the size.

    Returns:
        Annotations: All boxes inside their images.
    """
    rng = np.random.default_rng(seed)
    heights, widths = np.array(image_sizes).T
    image = np.repeat(np.arange(len(heights)), per_image)
    limits = np.stack([widths, heights], axis=1)[image]
    stretch = np.exp(rng.normal(0, elongation, len(image)))
    sides = sizes_of(rng, len(image))[:, None] * np.stack([stretch, 1 / stretch], axis=1)
    sides = np.clip(sides, 1, limits)
    corners = rng.uniform(0, 1, sides.shape) * (limits - sides)
    boxes = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    starts = np.arange(len(heights) + 1) * per_image
    return Annotations(boxes, starts, heights, widths)


def log_uniform(low, high):
    """Sizes with as many objects in each octave, for ``draw_annotations``."""
    return lambda rng, count: np.exp(rng.uniform(np.log(low), np.log(high), count))


def write_annotations(path, annotations):
    """Write a COCO file and give its path."""
    images = [
        dict(id=index, file_name=f'{index}.jpg', height=int(height), width=int(width))
        for index, (height, width) in enumerate(zip(annotations.heights, annotations.widths))
    ]
    owners = np.repeat(np.arange(len(images)), np.diff(annotations.image_starts)).tolist()
    corners = annotations.boxes.astype(float)
    corners[:, 2:] -= corners[:, :2]
    objects = [
        dict(id=index, image_id=owner, category_id=1, bbox=box, area=box[2] * box[3], iscrowd=0)
        for index, (owner, box) in enumerate(zip(owners, corners.tolist()))
    ]
    categories = [dict(id=1, name='thing')]
    path.write_text(json.dumps(dict(images=images, annotations=objects, categories=categories)))
    return path
