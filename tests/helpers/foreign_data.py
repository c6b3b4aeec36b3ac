"""Small data sets in the formats of others."""

import io
import json
from pathlib import Path

from mmdet.datasets import CocoDataset
from PIL import Image

from mmsniper.foreign_formats import convert


def write_picture(path: Path, width: int, height: int, orientation: int = 1) -> Path:
    """A picture of so many pixels as stored, with an orientation tag."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if orientation != 1:
        exif[0x0112] = orientation
    file = io.BytesIO()
    kind = {'.png': 'PNG', '.tif': 'TIFF', '.bmp': 'BMP', '.webp': 'WEBP'}.get(
        path.suffix.lower(), 'JPEG'
    )
    Image.new('RGB', (width, height), (90, 120, 60)).save(file, kind, exif=exif)
    path.write_bytes(file.getvalue())
    return path


def write_text(path: Path, *lines: str) -> Path:
    """A text file of some lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(lines))
    return path


class Converted:
    """What comes out of a conversion, in words that are easy to compare.

    Args:
        source: The data set.
        file: The annotation file to write.
        **options: Those of ``convert``.
    """

    def __init__(self, source, file: Path, **options) -> None:
        self.result = convert(source, file, **options)
        self.content = json.loads(file.read_text())
        self.file = file
        self._names = {entry['id']: entry['name'] for entry in self.content['categories']}
        self.classes = list(self._names.values())

    def sizes(self) -> dict:
        """Width and height of each picture."""
        return {
            image['file_name']: (image['width'], image['height'])
            for image in self.content['images']
        }

    def objects(self, name: str, crowds: bool = False) -> list:
        """Class and box (left, top, width, height) of what is in a picture."""
        (number,) = [i['id'] for i in self.content['images'] if i['file_name'] == name]
        return [
            (self._names[entry['category_id']], *entry['bbox'])
            for entry in self.content['annotations']
            if entry['image_id'] == number and entry['iscrowd'] == crowds
        ]

    def counts(self) -> dict:
        """What was left out or noted, without where."""
        entries = {**self.result.left_out.as_dict(), **self.result.noted.as_dict()}
        counts = {reason: count for reason, (count, _) in entries.items()}
        counts.pop('classes without an object', None)
        return counts

    def dataset(self) -> CocoDataset:
        """MMDetection's dataset of the file."""
        return CocoDataset(
            ann_file=str(self.file),
            data_prefix=dict(img=str(self.result.folder)),
            metainfo=dict(classes=tuple(self.classes)),
            test_mode=True,
            pipeline=[],
        )

    def loaded(self) -> list:
        """What MMDetection makes of the file."""
        dataset = self.dataset()
        return [dataset.get_data_info(index) for index in range(len(dataset))]
