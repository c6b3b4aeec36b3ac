"""A few drawn images in the format of every dataset type of the zoo, without any download."""

from __future__ import annotations

import csv
import hashlib
import json
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
from mmdet.registry import DATASETS
from mmengine.config import Config

from mmsniper.datasets.nesting import nested_configs

SIZES = ((160, 200), (200, 160), (176, 192))  # height and width of each image
# Corners of the objects as shares of the image: small ones, middling ones and a large one.
_OBJECTS = np.array(
    [
        (0.05, 0.05, 0.15, 0.16),
        (0.75, 0.10, 0.86, 0.19),
        (0.30, 0.06, 0.56, 0.30),
        (0.62, 0.60, 0.90, 0.92),
        (0.04, 0.33, 0.58, 0.95),
    ]
)
_NUM_PROPOSALS = 30


class FakeData:
    """Drawn images below a folder, and annotation files for the configs that ask for them.

    Args:
        folder: Where to write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rng = np.random.default_rng(0)
        for part in ('images', 'segmentation'):
            (folder / part).mkdir(parents=True, exist_ok=True)
        self.images = []
        for index, (height, width) in enumerate(SIZES):
            boxes = np.rint(_OBJECTS * [width, height, width, height]).astype(int).tolist()
            image = rng.integers(0, 80, (height, width, 3), np.uint8)
            regions = np.full((height, width), 255, np.uint8)
            for number, box in enumerate(boxes):
                points = np.array(_corners(box)).reshape(-1, 2)
                colour = rng.integers(120, 255, 3).tolist()
                cv2.fillPoly(image, [points], colour)
                cv2.fillPoly(regions, [points], number)
            cv2.imwrite(str(folder / 'images' / f'{index}.jpg'), image)
            cv2.imwrite(str(folder / 'segmentation' / f'{index}.png'), regions)
            self.images.append((str(index), height, width, boxes))

    def give_to(self, config: Config) -> None:
        """Let all datasets and metrics of a config read the drawn images, in place.

        Args:
            config: With any of the dataset types in ``WRITERS`` or classes derived from these.

        Raises:
            TypeError: Of another dataset type.
        """
        annotations: dict[str, str] = {}
        for split in ('train', 'val', 'test'):
            loader = config.get(f'{split}_dataloader')
            for data in nested_configs(loader['dataset']) if loader else ():
                if 'dataset' not in data and 'datasets' not in data:
                    annotations[split] = self._point(data)
        for split in ('val', 'test'):
            evaluators = config.get(f'{split}_evaluator')
            if not evaluators:
                continue
            evaluators = evaluators if isinstance(evaluators, (list, tuple)) else [evaluators]
            for evaluator in evaluators:
                if 'ann_file' in evaluator and split in annotations:
                    evaluator['ann_file'] = annotations[split]
            # It compares pictures of whole scenes with those that only Cityscapes has.
            known = [part for part in evaluators if part['type'] != 'CityScapesMetric']
            config[f'{split}_evaluator'] = known[0] if len(known) == 1 else known

    def _point(self, data: dict) -> str:
        """Let one dataset read the drawn images; its annotation file."""
        bases = [base.__name__ for base in DATASETS.get(data['type']).__mro__]
        writer = next((WRITERS[base] for base in bases if base in WRITERS), None)
        if writer is None:
            raise TypeError(f'no drawn images in the format of {data["type"]}')
        data['data_root'] = str(self.folder)
        writer(self, data)
        if data.get('proposal_file'):
            data['proposal_file'] = str(self._proposals())
        return str(self.folder / data['ann_file'])

    def _classes(self, data: dict) -> Sequence[str]:
        return (data.get('metainfo') or DATASETS.get(data['type']).METAINFO)['classes']

    def _once(self, name: str, write: Callable[[Path], None]) -> Path:
        """A file that is written unless it is there, whole or not at all."""
        path = self.folder / name
        if not path.exists():
            temporary = path.with_name(f'{path.name}.new')
            write(temporary)
            temporary.replace(path)
        return path

    def _coco(self, data: dict, classes: Sequence[str] | None = None) -> None:
        """COCO and the many that write their annotations like it."""
        classes = list(classes or self._classes(data))
        digest = hashlib.sha256(json.dumps(classes).encode()).hexdigest()[:12]
        path = self._once(f'coco_{digest}.json', lambda p: self._write_coco(p, classes))
        data['ann_file'] = path.name
        segmentation = 'seg' in (data.get('data_prefix') or {})
        data['data_prefix'] = dict(img='images')
        if segmentation:
            data['data_prefix']['seg'] = 'segmentation'

    def _write_coco(self, path: Path, classes: Sequence[str]) -> None:
        images, annotations = [], []
        for name, height, width, boxes in self.images:
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
                        segmentation=[_corners((left, top, right, bottom))],
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

    def _v3det(self, data: dict) -> None:
        """COCO with the names of the classes in a file of their own."""
        classes = [f'class {index}' for index in range(13204)]
        names = self._once('v3det_classes.txt', lambda p: p.write_text('\n'.join(classes)))
        data['label_file'] = names.name
        self._coco(data, classes)

    def _voc(self, data: dict) -> None:
        """A list of names, and an XML file of each image."""
        # The metric tells 2007 from 2012 by the folder.
        year = 'VOC2012' if '2012' in str(data['ann_file']) else 'VOC2007'
        self._write_xml(f'{year}/Annotations', 'JPEGImages', self._classes(data))
        images = self.folder / year / 'JPEGImages'
        if not images.is_symlink():
            images.symlink_to(self.folder / 'images')
        data['data_prefix'] = dict(sub_data_root=year)
        data['ann_file'] = self._list_of_names()

    def _wider_face(self, data: dict) -> None:
        """Likewise; the XML file says in which folder the image is."""
        self._write_xml('Annotations', 'images', self._classes(data))
        data['data_prefix'] = dict(img='')
        data['ann_file'] = self._list_of_names()

    def _list_of_names(self) -> str:
        names = '\n'.join(name for name, *_ in self.images)
        return self._once('names.txt', lambda path: path.write_text(names)).name

    def _write_xml(self, folder: str, images: str, classes: Sequence[str]) -> None:
        """One XML file per image into a folder below the root."""
        for name, height, width, boxes in self.images:
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
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
            self._once(f'{folder}/{name}.xml', ElementTree.ElementTree(root).write)

    def _crowd_human(self, data: dict) -> None:
        """A line of JSON per image."""
        lines = []
        for name, _, _, boxes in self.images:
            corners = [[x, y, right - x, bottom - y] for x, y, right, bottom in boxes]
            people = [
                dict(tag='person', fbox=box, hbox=box, vbox=box, extra={}, head_attr={})
                for box in corners
            ]
            lines.append(json.dumps(dict(ID=name, gtboxes=people)))
        sizes = {name: (height, width) for name, height, width, _ in self.images}
        extra = self._once('id_hw_train.json', lambda path: path.write_text(json.dumps(sizes)))
        data['extra_ann_file'] = str(extra)
        data['data_prefix'] = dict(img='images')
        data['ann_file'] = self._once(
            'train.odgt', lambda path: path.write_text('\n'.join(lines))
        ).name

    def _open_images(self, data: dict) -> None:
        """Tables of boxes, classes and image sizes."""
        classes = [(f'/m/{index}', f'class {index}') for index in range(601)]
        tree = dict(
            LabelName='/m/600',
            Subcategory=[dict(LabelName=label) for label, _ in classes[:600]],
        )
        header = 'ImageID Source LabelName Confidence XMin XMax YMin YMax'.split()
        header += 'IsOccluded IsTruncated IsGroupOf IsDepiction IsInside'.split()
        rows = [header]
        for name, height, width, boxes in self.images:
            shares = np.array(boxes) / [width, height, width, height]
            for index, (left, top, right, bottom) in enumerate(shares.tolist()):
                row = [name, 'xclick', classes[index][0], 1, left, right, top, bottom]
                rows.append([*row, 0, 0, 0, 0, 0])
        labels = [['ImageID', 'Source', 'LabelName', 'Confidence']]
        labels += [[name, 'verification', classes[0][0], 1] for name, *_ in self.images]
        data['ann_file'] = self._once('open_images.csv', _csv_writer(rows)).name
        data['label_file'] = self._once('open_images_classes.csv', _csv_writer(classes)).name
        data['hierarchy_file'] = self._once(
            'open_images_tree.json', lambda path: path.write_text(json.dumps(tree))
        ).name
        if data.get('image_level_ann_file'):
            data['image_level_ann_file'] = self._once(
                'open_images_labels.csv', _csv_writer(labels)
            ).name
        data['meta_file'] = self._sizes_of_images()
        data['data_prefix'] = dict(img='images')

    def _open_images_challenge(self, data: dict) -> None:
        """A text file of boxes, tables of classes and image sizes, and a matrix."""
        classes = [(f'/m/{index}', f'class {index}', index + 1) for index in range(500)]
        lines = []
        for name, height, width, boxes in self.images:
            lines += [f'{name}.jpg', '#', str(len(boxes))]
            for index, box in enumerate(np.array(boxes) / [width, height, width, height]):
                lines.append(f'{index + 1} {" ".join(map(str, box))} 0')
        labels = [['ImageID', 'LabelName', 'Confidence']]
        labels += [[name, classes[0][0], 1] for name, *_ in self.images]
        data['ann_file'] = self._once(
            'challenge.txt', lambda path: path.write_text('\n'.join(lines))
        ).name
        data['label_file'] = self._once('challenge_classes.csv', _csv_writer(classes)).name
        data['hierarchy_file'] = self._once('challenge_tree.np', _write_identity).name
        if data.get('image_level_ann_file'):
            data['image_level_ann_file'] = self._once(
                'challenge_labels.csv', _csv_writer(labels)
            ).name
        data['meta_file'] = self._sizes_of_images()
        data['data_prefix'] = dict(img='images')

    def _sizes_of_images(self) -> str:
        sizes = [
            dict(filename=f'{name}.jpg', ori_shape=(height, width, 3))
            for name, height, width, _ in self.images
        ]
        return self._once('sizes.pkl', lambda path: path.write_bytes(pickle.dumps(sizes))).name

    def _proposals(self) -> Path:
        """Boxes on and around the objects, as an RPN's."""
        rng = np.random.default_rng(0)
        found = {}
        for name, height, width, boxes in self.images:
            near = np.array(boxes)[rng.integers(0, len(boxes), _NUM_PROPOSALS)]
            near = near + rng.normal(0, 5, near.shape)
            near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 4)
            near = near.clip(0, [width, height, width, height]).astype(np.float32)
            scores = rng.random(_NUM_PROPOSALS).astype(np.float32)
            found[f'images/{name}.jpg'] = dict(bboxes=near, scores=scores)
        return self._once('proposals.pkl', lambda path: path.write_bytes(pickle.dumps(found)))


def _corners(box: Sequence[int]) -> list[int]:
    """A polygon with a corner cut off, so that masks differ from boxes."""
    left, top, right, bottom = box
    return [
        left,
        top,
        right,
        top,
        right,
        (top + bottom) // 2,
        (left + right) // 2,
        bottom,
        left,
        bottom,
    ]


def _csv_writer(rows: Sequence[Sequence]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with open(path, 'w', newline='') as file:
            csv.writer(file).writerows(rows)

    return write


def _write_identity(path: Path) -> None:
    with open(path, 'wb') as file:
        np.save(file, np.eye(501))


WRITERS: dict[str, Callable[[FakeData, dict], None]] = {
    'CocoDataset': FakeData._coco,
    'Objects365V1Dataset': FakeData._coco,
    'Objects365V2Dataset': FakeData._coco,
    'V3DetDataset': FakeData._v3det,
    'VOCDataset': FakeData._voc,
    'WIDERFaceDataset': FakeData._wider_face,
    'CrowdHumanDataset': FakeData._crowd_human,
    'OpenImagesDataset': FakeData._open_images,
    'OpenImagesChallengeDataset': FakeData._open_images_challenge,
}
