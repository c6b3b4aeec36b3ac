"""Detect on the pyramid of the training images and write the proposals for negative chips.

python tools/extract_proposals.py CONFIG CHECKPOINT --out proposals.npz

CONFIG's model, usually an RPN trained on positive chips, looks at the images of its
train_dataloader, at the levels and through the pipeline of its val_dataloader. Called again after
an interruption, it goes on where it was; what another checkpoint or config has made is never
touched. In several processes:

torchrun --standalone --nproc_per_node 8 tools/extract_proposals.py CONFIG CHECKPOINT --out
proposals.npz --launcher pytorch
"""

from __future__ import annotations

import argparse
import hashlib
import os
from pathlib import Path

import torch
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config, DictAction
from mmengine.device import get_device
from mmengine.dist import get_rank, init_dist
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from torch import nn

from mmsniper.apis import extract_proposals
from mmsniper.conversion.stage_configs import load_config
from mmsniper.datasets.nesting import find_chip_dataset
from mmsniper.errors import InputError
from mmsniper.utils import run_script
from mmsniper.utils.arguments import non_negative_int, positive_int
from mmsniper.utils.checkpoint_address import check_is_there, local_checkpoint
from mmsniper.utils.cpu import has_accelerator, join_gloo_group
from mmsniper.utils.saved_checkpoints import content_hash


def main() -> None:
    args = parse_args()
    check_is_there(args.checkpoint)
    if args.out.suffix != '.npz':
        raise InputError(f'--out {args.out} must end in .npz')
    config = load_config(args.config)
    config.merge_from_dict(args.cfg_options or {})
    init_default_scope(config.get('default_scope', 'mmdet'))
    if 'train_dataloader' not in config:
        raise InputError(f'{args.config} has no train_dataloader, whose images are looked at')
    train_config = find_chip_dataset(config, 'train_dataloader')
    if train_config is None:
        raise InputError(
            f'train_dataloader.dataset of {args.config} is or holds no ChipDataset: make a config '
            'that trains on chips with tools/sniperize.py'
        )
    if args.launcher != 'none':
        if has_accelerator():
            init_dist(args.launcher)
        else:
            join_gloo_group(args.launcher)
    MMLogger.get_instance('mmsniper', logger_name='mmsniper')
    checkpoint = local_checkpoint(args.checkpoint)
    images = DATASETS.build(train_config.dataset)
    images.full_init()
    extract_proposals(
        build_model(config.model, checkpoint),
        images,
        test_dataset(config),
        args.out,
        fingerprint=fingerprint(config, checkpoint, args.max_per_image),
        max_per_image=args.max_per_image,
        batch_size=args.batch_size,
        num_workers=args.num_workers,
        images_per_part=args.images_per_part,
    )
    if get_rank() == 0:
        print(f'wrote {args.out}')


def test_dataset(config: Config) -> dict:
    """The config of the dataset whose levels and pipeline are used."""
    return (config.get('val_dataloader') or config.test_dataloader).dataset


def build_model(config: dict, checkpoint: Path) -> nn.Module:
    """The model with the weights of a checkpoint, all of them, on this process's device."""
    model = revert_sync_batchnorm(MODELS.build(config))
    try:
        load_checkpoint(model, str(checkpoint), map_location='cpu', strict=True)
    except Exception as error:  # of many types, where the file is something else
        reason = ' '.join(str(error).split())[:300]
        if 'do not match' in reason:
            sentence = f'checkpoint {checkpoint} does not fit the model of the config: {reason}'
        else:
            sentence = f'{checkpoint} cannot be read as a checkpoint: {reason}'
        raise InputError(sentence) from error
    device = get_device()
    if device == 'cuda':
        torch.cuda.set_device(int(os.environ.get('LOCAL_RANK', 0)))
    model.to(device)
    return model


def fingerprint(config: Config, checkpoint: Path, max_per_image: int) -> dict:
    """What the proposals depend on."""
    parts = [config.model, config.train_dataloader.dataset, test_dataset(config)]
    text = '\n'.join(str(part) for part in parts)
    return dict(
        config=hashlib.sha256(text.encode()).hexdigest(),
        checkpoint=content_hash(checkpoint),
        max_per_image=max_per_image,
    )


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='of the RPN or detector, with the training images')
    parser.add_argument('checkpoint', help='a file, or an address')
    parser.add_argument('--out', type=Path, required=True, metavar='FILE.npz', help='where to')
    parser.add_argument(
        '--max-per-image',
        type=positive_int,
        default=300,
        help='the most proposals of an image, those with the highest scores (default: 300)',
    )
    parser.add_argument(
        '--batch-size', type=positive_int, default=1, help='views at once, default 1'
    )
    parser.add_argument(
        '--num-workers', type=non_negative_int, default=2, help='that load images, default 2'
    )
    parser.add_argument(
        '--images-per-part',
        type=positive_int,
        default=500,
        help='how many images are lost at most, per process, when it is interrupted (default: 500)',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument(
        '--local_rank', '--local-rank', type=non_negative_int, default=0, help=argparse.SUPPRESS
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='override settings, as key=value'
    )
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


if __name__ == '__main__':
    run_script(main)
