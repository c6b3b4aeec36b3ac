"""Small COCO data sets for the tests."""

import json

import cv2
import numpy as np

CLASSES = ('a', 'b')


def write_coco(folder, sizes, boxes, crowds=(), suffix='png', draw=True):
    """Write images and annotations.

    Args:
        folder: Where to.
        sizes: (height, width) of each image.
        boxes: For each image a list of (x, y, width, height); classes take turns.
        crowds: (image, box) indices of crowds.

    Returns:
        dict: Config of the CocoDataset.
    """
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for index, (height, width) in enumerate(sizes):
        name = f'{index}.{suffix}'
        if draw:
            image = rng.integers(0, 60, (height, width, 3), np.uint8)
            for x, y, w, h in boxes[index]:
                if np.isfinite([x, y, w, h]).all():
                    x, y, w, h = (int(v) for v in (x, y, w, h))
                    image[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)] = 200
            cv2.imwrite(str(folder / name), image)
        images.append(dict(id=index + 1, file_name=name, height=height, width=width))
        for number, (x, y, w, h) in enumerate(boxes[index]):
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=index + 1,
                    category_id=number % 2 + 1,
                    bbox=[x, y, w, h],
                    area=w * h if np.isfinite(w * h) else 1,
                    iscrowd=int((index, number) in crowds),
                    segmentation=[[x, y, x + w, y, x + w, y + h, x, y + h]],
                )
            )
    categories = [dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)]
    content = dict(images=images, annotations=annotations, categories=categories)
    (folder / 'annotations.json').write_text(json.dumps(content))
    return dict(
        type='CocoDataset',
        data_root=str(folder),
        ann_file='annotations.json',
        data_prefix=dict(img=''),
        metainfo=dict(classes=CLASSES),
    )


PIPELINE = [
    dict(type='LoadChip'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='ChipSample'),
    dict(type='ScaleNormalize'),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'chip', 'chip_level', 'chip_scale', 'img_shape', 'scale_factor'),
    ),
]

LEVELS = dict(levels=[1.0, 0.5], valid_ranges=[(-1, 40), (30, -1)], chip_size=64, stride=16)


def scattered_boxes(num_images, objects, smallest):
    """Sizes of images, 96 to 200 pixels, and for each as many boxes with sides up to 90 pixels."""
    rng = np.random.default_rng(0)
    sizes, boxes = rng.integers(96, 200, (num_images, 2)).tolist(), []
    for height, width in sizes:
        farthest = [width - 2 * smallest, height - 2 * smallest]
        corners = rng.integers(0, farthest, (objects, 2)).tolist()
        sides = rng.integers(smallest, 90, (objects, 2)).tolist()
        boxes.append(
            [
                (x, y, min(w, width - x), min(h, height - y))
                for (x, y), (w, h) in zip(corners, sides)
            ]
        )
    return sizes, boxes
