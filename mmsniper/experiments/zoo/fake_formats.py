"""Annotation files of drawn images in the formats of the zoo's datasets."""

from __future__ import annotations

import csv
import hashlib
import json
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from mmdet.registry import DATASETS

from .drawn_images import DrawnImages, corners_of


def _coco(drawn: DrawnImages, data: dict, classes: Sequence[str] | None = None) -> None:
    """COCO and the many that write their annotations like it."""
    classes = list(classes or _classes(drawn, data))
    digest = hashlib.sha256(json.dumps(classes).encode()).hexdigest()[:12]
    path = drawn.once(f'coco_{digest}.json', lambda p: _write_coco(drawn, p, classes))
    data['ann_file'] = path.name
    segmentation = 'seg' in (data.get('data_prefix') or {})
    data['data_prefix'] = dict(img='images')
    if segmentation:
        data['data_prefix']['seg'] = 'segmentation'


def _write_coco(drawn: DrawnImages, path: Path, classes: Sequence[str]) -> None:
    images, annotations = [], []
    for name, height, width, boxes in drawn.images:
        number = int(name) + 1
        images.append(
            dict(
                id=number,
                file_name=f'{name}.jpg',
                # LVIS takes the name from there.
                coco_url=f'http://images.cocodataset.org/{name}.jpg',
                height=height,
                width=width,
                # What LVIS and its metric ask for besides.
                neg_category_ids=[],
                not_exhaustive_category_ids=[],
            )
        )
        for index, (left, top, right, bottom) in enumerate(boxes):
            w, h = right - left, bottom - top
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=number,
                    category_id=index % len(classes) + 1,
                    bbox=[left, top, w, h],
                    area=w * h,
                    iscrowd=0,
                    segmentation=[corners_of((left, top, right, bottom))],
                )
            )
    categories = [
        dict(
            id=index + 1,
            name=name,
            synset=name,
            frequency='f',
            image_count=len(images),
            instance_count=len(images),
        )
        for index, name in enumerate(classes)
    ]
    content = dict(images=images, annotations=annotations, categories=categories, info={})
    path.write_text(json.dumps(content))


def _v3det(drawn: DrawnImages, data: dict) -> None:
    """COCO with the names of the classes in a file of their own."""
    classes = [f'class {index}' for index in range(13204)]
    names = drawn.once('v3det_classes.txt', lambda p: p.write_text('\n'.join(classes)))
    data['label_file'] = names.name
    _coco(drawn, data, classes)


def _voc(drawn: DrawnImages, data: dict) -> None:
    """A list of names, and an XML file of each image."""
    # The metric tells 2007 from 2012 by the folder.
    year = 'VOC2012' if '2012' in str(data['ann_file']) else 'VOC2007'
    _write_xml(drawn, f'{year}/Annotations', 'JPEGImages', _classes(drawn, data))
    images = drawn.folder / year / 'JPEGImages'
    if not images.is_symlink():
        images.symlink_to(drawn.folder / 'images')
    data['data_prefix'] = dict(sub_data_root=year)
    data['ann_file'] = _list_of_names(drawn)


def _wider_face(drawn: DrawnImages, data: dict) -> None:
    """Likewise; the XML file says in which folder the image is."""
    _write_xml(drawn, 'Annotations', 'images', _classes(drawn, data))
    data['data_prefix'] = dict(img='')
    data['ann_file'] = _list_of_names(drawn)


def _crowd_human(drawn: DrawnImages, data: dict) -> None:
    """A line of JSON per image."""
    lines = []
    for name, _, _, boxes in drawn.images:
        corners = [[x, y, right - x, bottom - y] for x, y, right, bottom in boxes]
        people = [
            dict(tag='person', fbox=box, hbox=box, vbox=box, extra={}, head_attr={})
            for box in corners
        ]
        lines.append(json.dumps(dict(ID=name, gtboxes=people)))
    sizes = {name: (height, width) for name, height, width, _ in drawn.images}
    extra = drawn.once('id_hw_train.json', lambda path: path.write_text(json.dumps(sizes)))
    data['extra_ann_file'] = str(extra)
    data['data_prefix'] = dict(img='images')
    data['ann_file'] = drawn.once('train.odgt', lambda path: path.write_text('\n'.join(lines))).name


def _open_images(drawn: DrawnImages, data: dict) -> None:
    """Tables of boxes, classes and image sizes."""
    classes = [(f'/m/{index}', f'class {index}') for index in range(601)]
    tree = dict(
        LabelName='/m/600',
        Subcategory=[dict(LabelName=label) for label, _ in classes[:600]],
    )
    header = 'ImageID Source LabelName Confidence XMin XMax YMin YMax'.split()
    header += 'IsOccluded IsTruncated IsGroupOf IsDepiction IsInside'.split()
    rows = [header]
    for name, height, width, boxes in drawn.images:
        shares = np.array(boxes) / [width, height, width, height]
        for index, (left, top, right, bottom) in enumerate(shares.tolist()):
            row = [name, 'xclick', classes[index][0], 1, left, right, top, bottom]
            rows.append([*row, 0, 0, 0, 0, 0])
    labels = [['ImageID', 'Source', 'LabelName', 'Confidence']]
    labels += [[name, 'verification', classes[0][0], 1] for name, *_ in drawn.images]
    data['ann_file'] = drawn.once('open_images.csv', _csv_writer(rows)).name
    data['label_file'] = drawn.once('open_images_classes.csv', _csv_writer(classes)).name
    data['hierarchy_file'] = drawn.once(
        'open_images_tree.json', lambda path: path.write_text(json.dumps(tree))
    ).name
    if data.get('image_level_ann_file'):
        data['image_level_ann_file'] = drawn.once(
            'open_images_labels.csv', _csv_writer(labels)
        ).name
    data['meta_file'] = _sizes_of_images(drawn)
    data['data_prefix'] = dict(img='images')


def _open_images_challenge(drawn: DrawnImages, data: dict) -> None:
    """A text file of boxes, tables of classes and image sizes, and a matrix."""
    classes = [(f'/m/{index}', f'class {index}', index + 1) for index in range(500)]
    lines = []
    for name, height, width, boxes in drawn.images:
        lines += [f'{name}.jpg', '#', str(len(boxes))]
        for index, box in enumerate(np.array(boxes) / [width, height, width, height]):
            lines.append(f'{index + 1} {" ".join(map(str, box))} 0')
    labels = [['ImageID', 'LabelName', 'Confidence']]
    labels += [[name, classes[0][0], 1] for name, *_ in drawn.images]
    data['ann_file'] = drawn.once(
        'challenge.txt', lambda path: path.write_text('\n'.join(lines))
    ).name
    data['label_file'] = drawn.once('challenge_classes.csv', _csv_writer(classes)).name
    data['hierarchy_file'] = drawn.once('challenge_tree.np', _write_identity).name
    if data.get('image_level_ann_file'):
        data['image_level_ann_file'] = drawn.once('challenge_labels.csv', _csv_writer(labels)).name
    data['meta_file'] = _sizes_of_images(drawn)
    data['data_prefix'] = dict(img='images')


def _list_of_names(drawn: DrawnImages) -> str:
    names = '\n'.join(name for name, *_ in drawn.images)
    return drawn.once('names.txt', lambda path: path.write_text(names)).name


def _write_xml(drawn: DrawnImages, folder: str, images: str, classes: Sequence[str]) -> None:
    """One XML file per image into a folder below the root."""
    for name, height, width, boxes in drawn.images:
        root = ElementTree.Element('annotation')
        ElementTree.SubElement(root, 'folder').text = images
        size = ElementTree.SubElement(root, 'size')
        ElementTree.SubElement(size, 'width').text = str(width)
        ElementTree.SubElement(size, 'height').text = str(height)
        for index, box in enumerate(boxes):
            entry = ElementTree.SubElement(root, 'object')
            ElementTree.SubElement(entry, 'name').text = classes[index % len(classes)]
            ElementTree.SubElement(entry, 'difficult').text = '0'
            corners = ElementTree.SubElement(entry, 'bndbox')
            for key, value in zip(('xmin', 'ymin', 'xmax', 'ymax'), box):
                ElementTree.SubElement(corners, key).text = str(value)
        (drawn.folder / folder).mkdir(parents=True, exist_ok=True)
        drawn.once(f'{folder}/{name}.xml', ElementTree.ElementTree(root).write)


def _sizes_of_images(drawn: DrawnImages) -> str:
    sizes = [
        dict(filename=f'{name}.jpg', ori_shape=(height, width, 3))
        for name, height, width, _ in drawn.images
    ]
    return drawn.once('sizes.pkl', lambda path: path.write_bytes(pickle.dumps(sizes))).name


def _classes(drawn: DrawnImages, data: dict) -> Sequence[str]:
    return (data.get('metainfo') or DATASETS.get(data['type']).METAINFO)['classes']


def _csv_writer(rows: Sequence[Sequence]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with open(path, 'w', newline='') as file:
            csv.writer(file).writerows(rows)

    return write


def _write_identity(path: Path) -> None:
    with open(path, 'wb') as file:
        np.save(file, np.eye(501))


# Each writes a file for the config of a dataset, and names it there. Datasets of derived classes
# have the format of the first base that is here.
WRITERS: dict[str, Callable[[DrawnImages, dict], None]] = {
    'CocoDataset': _coco,
    'Objects365V1Dataset': _coco,
    'Objects365V2Dataset': _coco,
    'V3DetDataset': _v3det,
    'VOCDataset': _voc,
    'WIDERFaceDataset': _wider_face,
    'CrowdHumanDataset': _crowd_human,
    'OpenImagesDataset': _open_images,
    'OpenImagesChallengeDataset': _open_images_challenge,
}
