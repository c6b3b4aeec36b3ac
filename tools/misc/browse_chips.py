"""Writes pictures of the chips that a config trains on.

For each image ``DIR/STEM.png`` shows where its chips lie at each pyramid level, and for negative
chips (``--proposals FILE``, where the config names no file itself) the proposals that caused them.
``DIR/contact_sheet.png`` (with many chips ``contact_sheet_1.png`` and so on) shows the same chips
as the detector gets them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from mmdet.registry import DATASETS
from mmdet.structures.bbox import BaseBoxes
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed
from tqdm import tqdm

from mmsniper.conversion.stage_configs import chip_config
from mmsniper.datasets import ChipDataset, LoadChip
from mmsniper.datasets.nesting import nested_datasets
from mmsniper.datasets.transforms.moving import all_transforms, check_image_size
from mmsniper.errors import InputError
from mmsniper.utils import run_script
from mmsniper.utils.arguments import positive_int
from mmsniper.visualization import contact_sheet, draw_chips

TILES_PER_PAGE = 16


def build_dataset(config: Path, options: dict | None, proposals: Path | None = None) -> tuple:
    """Builds the training dataset of a config.

    Returns:
        tuple: the dataset whose items the detector gets, and the ``ChipDataset`` in it. Items of
        the two have the same indices.

    Raises:
        InputError: the config trains on no chips, or its pipeline gives none.
    """
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(options or {})
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    loader = cfg.get('train_dataloader')
    if not isinstance(loader, dict) or not isinstance(loader.get('dataset'), dict):
        raise InputError(f'{config} has no train_dataloader.dataset: name a config that trains')
    if proposals is not None:
        chip_config(cfg)['proposal_file'] = str(proposals)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    chips = next((d for d in nested_datasets(dataset) if isinstance(d, ChipDataset)), None)
    if chips is None:
        raise InputError(
            f'train_dataloader.dataset of {config} is a {type(dataset).__name__} without a '
            'ChipDataset: name a config that trains on chips'
        )
    chips.check_items()
    for transform in all_transforms(chips.pipeline.transforms):
        if isinstance(transform, LoadChip):
            transform.chips_follow = True  # all that are shown of an image, one after the other
    # A wrapper that concatenates or repeats numbers its items otherwise; then the chips are shown
    # as they come out of their own pipeline.
    same_items = len(dataset) == len(chips)
    return (dataset if same_items else chips), chips


def load_image(chips: ChipDataset, item: int) -> tuple:
    """Loads the whole image of an item, as the pipeline does.

    Returns:
        tuple: the image (H, W, 3) BGR, and what the dataset says of it.
    """
    info = chips.get_data_info(item)
    results = {key: value for key, value in info.items() if key != 'chip'}
    for transform in chips.pipeline.transforms:
        results = transform(results)
        if results is None or 'img' in results:
            break
    if not results or 'img' not in results:
        raise InputError('the pipeline of ChipDataset loads no image: begin it with LoadChip')
    image = results['img']
    check_image_size(results, image.shape[:2])  # which ChipSample does for chips
    return image, info


def draw_image(chips: ChipDataset, image_index: int, max_width: int) -> tuple[str, np.ndarray]:
    """Draws where the chips of one image lie.

    Returns:
        tuple[str, np.ndarray]: the stem of the image's file name, and the picture, (H, W, 3) uint8
            BGR.
    """
    items = np.flatnonzero(chips.table.image == image_index)
    image, info = load_image(chips, int(items[0]))
    instances = info.get('instances', [])
    path = Path(info['img_path'])
    proposals = chips.proposals_of(image_index) if chips.has_proposals else None
    picture = draw_chips(
        image,
        chips.table.boxes[items],
        chips.table.level[items],
        np.array([instance['bbox'] for instance in instances], np.float32).reshape(-1, 4),
        chips.pyramid,
        np.array([instance.get('ignore_flag', 0) for instance in instances], bool),
        chips.table.negative[items],
        proposals,
        title=f'{path.name} ({image.shape[1]}x{image.shape[0]})',
        max_width=max_width,
    )
    return path.stem, picture


def get_boxes(sample, key: str) -> np.ndarray:
    """(n, 4) xyxy boxes that a data sample holds under ``key``, in pixels of its inputs."""
    boxes = sample.get(key, {}).get('bboxes', None)
    if boxes is None:
        return np.zeros((0, 4), np.float32)
    if isinstance(boxes, BaseBoxes):
        boxes = boxes.convert_to('hbox').tensor
    return boxes.numpy().reshape(-1, 4)


def load_item(dataset, chips: ChipDataset, item: int) -> tuple:
    """Gets one item as the detector does.

    Returns:
        tuple: the tile (h, w, c) BGR, its caption, and its valid and its ignored boxes, (n, 4) xyxy
            in pixels of the
        tile.
    """
    packed = dataset[item]
    if not isinstance(packed, dict) or not {'inputs', 'data_samples'} <= packed.keys():
        raise InputError('the pipeline of the training dataset must end in PackDetInputs')
    tile = packed['inputs'].numpy().transpose(1, 2, 0)
    sample = packed['data_samples']
    valid, ignored = get_boxes(sample, 'gt_instances'), get_boxes(sample, 'ignored_instances')
    kind = 'negative | ' * bool(chips.table.negative[item])
    text = (
        f'{kind}{Path(sample.img_path).stem} | level {chips.table.level[item]} | '
        f'{tile.shape[1]}x{tile.shape[0]}\n{len(valid)} valid, {len(ignored)} ignored'
    )
    return tile, text, valid, ignored


def choose_chips(chips: ChipDataset, num_images: int) -> tuple[np.ndarray, np.ndarray]:
    """The first images that have chips, and the items of these, each chip once."""
    table = chips.table
    images = np.unique(table.image)[:num_images]
    items = np.flatnonzero(np.isin(table.image, images))
    rows = np.column_stack([table.image[items], table.level[items], table.boxes[items]])
    _, first = np.unique(rows, axis=0, return_index=True)
    return images, items[np.sort(first)]


def write_png(path: Path, picture: np.ndarray) -> None:
    """Writes a picture and says so."""
    path.write_bytes(cv2.imencode('.png', picture)[1].tobytes())
    tqdm.write(f'wrote {path}')


def browse(args: argparse.Namespace) -> None:
    """Writes all pictures."""
    if args.num_images < 1 or args.epoch < 0:
        raise InputError(
            f'-n {args.num_images} --epoch {args.epoch} is not possible: take at least 1 image, '
            'and epochs from 0'
        )
    try:
        args.out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f'--out-dir {args.out_dir} cannot be made: {error.strerror}') from error
    dataset, chips = build_dataset(args.config, args.cfg_options, args.proposals)
    chips.set_epoch(args.epoch)
    set_random_seed(args.epoch)  # the augmentation too is the same each time
    images, items = choose_chips(chips, args.num_images)

    taken = set()
    for image in tqdm(images.tolist(), desc='images', unit='image'):
        stem, picture = draw_image(chips, image, args.max_width)
        if stem in taken:  # images of different folders may have the same name
            stem = f'{stem}_{image}'
        taken.add(stem)
        write_png(args.out_dir / f'{stem}.png', picture)

    pages = range(0, len(items), TILES_PER_PAGE)
    for number, start in enumerate(tqdm(pages, desc='contact sheets', unit='page'), 1):
        on_page = items[start : start + TILES_PER_PAGE].tolist()
        columns = zip(*(load_item(dataset, chips, item) for item in on_page))
        name = 'contact_sheet' if len(pages) == 1 else f'contact_sheet_{number}'
        write_png(args.out_dir / f'{name}.png', contact_sheet(*columns, max_width=args.max_width))
    print(f'{len(items)} chips of {len(images)} images, epoch {args.epoch}, in {args.out_dir}')


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description='Write pictures of the chips that a config trains on.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('config', type=Path, help='config that trains on chips')
    parser.add_argument('--out-dir', type=Path, required=True, help='folder for the pictures')
    parser.add_argument('-n', '--num-images', type=int, default=8, help='images to show')
    parser.add_argument('--proposals', type=Path, metavar='FILE', help='for negative chips')
    parser.add_argument('--epoch', type=int, default=0, help='whose chips to show, from 0')
    parser.add_argument(
        '--max-width', type=positive_int, default=1600, help='of the pictures, pixels'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='override settings, as key=value'
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Does what the command line asks for."""
    browse(parse_args(argv))


if __name__ == '__main__':
    run_script(main)
