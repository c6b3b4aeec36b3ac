"""Making the file of proposals that negative chips are chosen for.

What is done is kept in parts beside the file, so that an interrupted extraction goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.dist import all_reduce, barrier
from mmengine.logging import print_log
from torch import nn

from mmsniper.datasets.image_subset import ImageSubset
from mmsniper.datasets.proposal_file import shortest_names
from mmsniper.errors import InputError
from mmsniper.evaluation.merging_evaluator import warn_of_not_finite
from mmsniper.utils.claim import claim_file
from mmsniper.utils.first_rank import on_first_rank

from .proposal_parts import ProposalParts, join_tables
from .pyramid_detection import detect_on_pyramid, pyramid_dataset

__all__ = ['extract_proposals', 'join_tables', 'unique_images']

NMS = dict(type='nms', iou_threshold=0.7)


def extract_proposals(
    model: nn.Module,
    images,
    test_dataset: Mapping,
    out_file: str | Path,
    fingerprint: Mapping,
    select: Callable[[int, DetDataSample], np.ndarray] | None = None,
    nms: Mapping = NMS,
    max_per_image: int = 300,
    batch_size: int = 1,
    num_workers: int = 2,
    images_per_part: int = 500,
    anew: bool = False,
) -> None:
    """Detect on the pyramid of all images and write what is found to a file of proposals.

    Runs on one process or on all of a process group, which need to see the same file system. Until
    the file is whole, parts of it are in ``out_file`` with ``.parts`` at its end; a later call goes
    on with the images that are not in them. A file that is whole and of the same fingerprint and
    images stays as it is.

    Args:
        model (nn.Module): A detector, or an RPN.
        images: Dataset of the images; one that comes several times is looked at once.
        test_dataset (Mapping): Config of a ``ChipDataset`` in test mode, whose levels, valid ranges
            and pipeline are used.
        out_file (str | Path): Ends in ``.npz``.
        fingerprint (Mapping): What the result depends on, such as the checkpoint, in terms of JSON.
            Neither a file nor parts made with another one, or for other images, are touched.
        select (Callable, optional): Given the index of an image and its merged result, says which
            detections to keep, (n,) bool. Defaults to None, all.
        nms (Mapping): How the views of an image are merged. Defaults to NMS at IoU 0.7.
        max_per_image (int): The most proposals of an image, those with the highest scores. Defaults
            to 300.
        batch_size (int): Views per forward pass. Defaults to 1.
        num_workers (int): Processes that load images. Defaults to 2.
        images_per_part (int): How many images a process is done with before it writes them.
            Defaults to 500.
        anew (bool): Whether to replace what an earlier call has left. Defaults to False.

    Raises:
        InputError: On all processes: the file cannot be written, another run writes it, or what one
            made is in its place.
    """
    out_file = Path(out_file)
    paths = [str(images.get_data_info(index)['img_path']) for index in range(len(images))]
    chosen = unique_images(paths)
    names = shortest_names([paths[index] for index in chosen])
    parts = ProposalParts(out_file, names, images_per_part)
    with _only_writer(out_file):
        if on_first_rank(lambda: parts.open(fingerprint, anew)):
            return
        left = np.flatnonzero(~np.isin(names, parts.finished_names()))
        barrier()  # before any process adds a part
        if len(left) < len(names):
            print_log(
                f'{len(names) - len(left)} of {len(names)} images are done already, going on.',
                logger='current',
            )
        if len(left):
            subset = ImageSubset(images, chosen[left])
            row_of = {path: row for row, path in enumerate(paths[index] for index in chosen)}

            def keep(sample: DetDataSample) -> None:
                row = row_of[str(sample.img_path)]
                found = sample.pred_instances
                boxes, scores = found.bboxes.cpu().numpy(), found.scores.cpu().numpy()
                if select is not None:
                    kept = select(int(chosen[row]), sample)
                    boxes, scores = boxes[kept], scores[kept]
                parts.add(row, sample.ori_shape, boxes, scores)

            not_finite = detect_on_pyramid(
                model,
                pyramid_dataset(subset, test_dataset),
                keep,
                nms,
                max_per_image,
                batch_size,
                num_workers,
                title='proposals',
            )
            parts.flush()
            total = torch.tensor(not_finite)
            all_reduce(total)
            warn_of_not_finite(int(total))
        barrier()
        on_first_rank(parts.close)


@contextmanager
def _only_writer(path: Path) -> Iterator[None]:
    """Keep other runs from writing a file; the processes of a process group are one run."""
    with ExitStack() as stack:

        def take() -> None:
            if stack.enter_context(claim_file(path)) is None:
                raise InputError(
                    f'another extraction writes {path} at this moment: wait for it, or name '
                    'another file'
                )

        on_first_rank(take)
        yield


def unique_images(paths: list[str]) -> np.ndarray:
    """The index of the first occurrence of each path, ascending, (m,) int64."""
    _, first = np.unique(np.array(paths, dtype=str), return_index=True)
    return np.sort(first)
