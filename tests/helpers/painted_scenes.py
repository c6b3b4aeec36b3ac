"""Images whose objects are rectangles in the colour of their class, so that they can be found."""

from __future__ import annotations

import json

import cv2
import numpy as np

from mmsniper.datasets import ChipDataset

# A threshold in each channel tells these colours apart, and each of them from the background.
COLOURS = np.array(
    [
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (255, 255, 0),
        (255, 0, 255),
        (0, 255, 255),
        (255, 255, 255),
    ],
    np.uint8,
)
BRIGHT = 160  # above what Mosaic and rotations pad with
SIDES = [(10, 6), (12, 12), (10, 16), (24, 20), (36, 25), (40, 40), (15, 12)]  # width, height
CROWD = 6
CLASSES = tuple('abcdefg')
LEVELS = dict(levels=[2.0, 1.0], valid_ranges=[(-1, 24), (20, -1)], chip_size=128, stride=16)
ONE_LEVEL = dict(levels=[1.0], valid_ranges=[(-1, 24)], chip_size=128, stride=16)

LOAD = [
    dict(type='LoadChip'),
    dict(type='LoadAnnotations', with_bbox=True),
    # Whatever is visible counts, so that the class and the level alone say what is ignored.
    dict(type='ChipSample', min_visible=0.0),
    dict(type='ScaleNormalize'),
]


def with_masks(poly2mask: bool) -> list[dict]:
    """LOAD with masks: bitmaps or polygons."""
    annotations = dict(LOAD[1], with_mask=True, poly2mask=poly2mask)
    return [LOAD[0], annotations, *LOAD[2:]]


def is_ignored(label: int, valid_range) -> bool:
    """Whether objects of a class are ignored in a chip."""
    low, high = valid_range
    size = np.sqrt(np.prod(SIDES[label]))
    return label == CROWD or not (size >= low and (high == -1 or size < high))


def write_scenes(folder, num_images: int = 3, shape: tuple[int, int] = (170, 230)) -> dict:
    """Write images with an object of every class each, at random places apart from each other.

    Args:
        folder: Where to.
        num_images: How many.
        shape: Height and width of each.

    Returns:
        dict: Config of the CocoDataset.
    """
    rng = np.random.default_rng(0)
    height, width = shape
    images, annotations = [], []
    for index in range(num_images):
        # Grey, so that no channel passes the threshold before the others at a blurred edge.
        image = rng.integers(0, 60, (height, width, 1), np.uint8).repeat(3, axis=2)
        taken = np.zeros(shape, bool)
        for label in np.argsort([-w * h for w, h in SIDES]):
            w, h = SIDES[label]
            while True:
                x, y = (int(rng.integers(0, end)) for end in (width - w, height - h))
                if not taken[y : y + h, x : x + w].any():
                    break
            taken[max(y - 4, 0) : y + h + 4, max(x - 4, 0) : x + w + 4] = True
            image[y : y + h, x : x + w] = COLOURS[label]
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=index + 1,
                    category_id=int(label) + 1,
                    bbox=[x, y, w, h],
                    area=w * h,
                    iscrowd=int(label == CROWD),
                    segmentation=[[x, y, x + w, y, x + w, y + h, x, y + h]],
                )
            )
        cv2.imwrite(str(folder / f'{index}.png'), image)
        images.append(dict(id=index + 1, file_name=f'{index}.png', height=height, width=width))
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


def chips(scenes, *augmentations, load=LOAD, repeats=2, **settings):
    """The results of all chips after loading and augmentations, with some random draws each."""
    dataset = ChipDataset(scenes, [*load, *augmentations], **{**LEVELS, **settings})
    np.random.seed(0)
    for _ in range(repeats):
        yield from dataset


def painted_boxes(results) -> np.ndarray:
    """What the picture should be by its boxes and labels, shape (h, w, 3), bool."""
    canvas = np.zeros((*results['img'].shape[:2], 3), bool)
    boxes = np.rint(results['gt_bboxes'].numpy()).astype(int)
    for (left, top, right, bottom), label in zip(boxes, results['gt_bboxes_labels']):
        canvas[top:bottom, left:right] = COLOURS[label] > 0
    return canvas


def painted_masks(results) -> np.ndarray:
    """What the picture should be by its masks and labels, shape (h, w, 3), bool."""
    canvas = np.zeros((*results['img'].shape[:2], 3), bool)
    for mask, label in zip(results['gt_masks'].to_ndarray(), results['gt_bboxes_labels']):
        canvas[mask > 0] = COLOURS[label] > 0
    return canvas


def assert_same_picture(image: np.ndarray, painted: np.ndarray, width: int = 2) -> None:
    """Assert that a picture is what was painted, but for edges that are narrower than ``width``."""
    different = ((image > BRIGHT) != painted).any(-1).astype(np.uint8)
    wide = cv2.erode(different, np.ones((width, width), np.uint8), borderValue=0)
    assert not wide.any(), f'{int(wide.sum())} pixels are not what boxes and labels say'


def seen_box(image: np.ndarray, label: int) -> np.ndarray | None:
    """Bounding box of the pixels in the colour of a class, or None."""
    rows, columns = np.nonzero(((image > BRIGHT) == (COLOURS[label] > 0)).all(-1))
    if not len(rows):
        return None
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def assert_flags_follow_labels(results, valid_range=None) -> None:
    """Assert that every array has an entry per instance, and that exactly the right are ignored."""
    valid_range = results['valid_range'] if valid_range is None else valid_range
    labels = results['gt_bboxes_labels'].tolist()
    assert len(results['gt_bboxes']) == len(labels)
    if 'gt_masks' in results:
        assert len(results['gt_masks']) == len(labels)
    flags = results['gt_ignore_flags'].tolist()
    assert flags == [is_ignored(label, valid_range) for label in labels]


def assert_boxes_fit(results, tolerance):
    """Boxes reach as far as their objects, and further only where the picture ends."""
    height, width = results['img'].shape[:2]
    for label, box in zip(results['gt_bboxes_labels'], results['gt_bboxes'].numpy()):
        seen = seen_box(results['img'], label)
        assert seen is not None, f'nothing is to be seen of class {label}'
        assert (box[:2] <= seen[:2] + tolerance).all() and (box[2:] >= seen[2:] - tolerance).all()
        cut = (seen[:2] <= 1).any() or seen[2] >= width - 1 or seen[3] >= height - 1
        if not cut:
            assert np.abs(box - seen).max() <= tolerance
