"""Small COCO sources of photographs for scenes: grey texture with red objects in it."""

import json

import cv2
import numpy as np

CATEGORIES = [
    dict(id=3, name='cat', supercategory='animal'),
    dict(id=7, name='dog', supercategory='animal'),
    dict(id=9, name='cell', supercategory='none'),
]


def draw_photograph(seed, height, width, boxes):
    """(height, width, 3) uint8 BGR: smooth grey texture, and red rectangles (x, y, w, h) on it."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(60, 200, (height // 6 + 2, width // 6 + 2)).astype(np.float32)
    grey = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    image = np.repeat(grey[..., None], 3, axis=2).round().astype(np.uint8)
    for x, y, w, h in boxes:
        image[y : y + h, x : x + w] = (0, 0, 255)
    return image


def write_source(folder, sizes, boxes, categories=CATEGORIES, crowds=(), seed=0):
    """Writes a source; its classes take turns.

    Args:
        folder: Where to, made where missing.
        sizes: (height, width) of each image.
        boxes: For each image a list of (x, y, width, height), whole pixels.
        categories: Of the annotation file.
        crowds: (image, box) indices; a crowd has an RLE.
        seed: Of the texture.

    Returns:
        list[str]: The annotation file and the image folder, as for the command line.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for index, (height, width) in enumerate(sizes):
        name = f'{folder.name}_{index}.png'
        picture = draw_photograph([seed, index], height, width, boxes[index])
        cv2.imwrite(str(folder / name), picture)
        images.append(dict(id=index + 40, file_name=name, height=height, width=width))
        for number, (x, y, w, h) in enumerate(boxes[index]):
            outline = [[x, y, x + w, y, x + w, y + h, x, y + h]]
            is_crowd = (index, number) in crowds
            if is_crowd:
                counts = [x * height + y, h] + [height - h, h] * (w - 1)
                outline = dict(size=[height, width], counts=counts)
                counts.append(height * width - sum(counts))
            annotations.append(
                dict(
                    id=len(annotations) + 100,
                    image_id=index + 40,
                    category_id=categories[number % len(categories)]['id'],
                    bbox=[x, y, w, h],
                    area=w * h,
                    iscrowd=int(is_crowd),
                    segmentation=outline,
                )
            )
    content = dict(images=images, annotations=annotations, categories=list(categories))
    (folder / 'source.json').write_text(json.dumps(content))
    return [str(folder / 'source.json'), str(folder)]
