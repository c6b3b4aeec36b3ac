"""Making the file of proposals that negative chips are chosen for.

What is done is kept in parts beside the file, so that an interrupted extraction goes on.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from mmdet.structures import DetDataSample
from mmengine.dist import barrier, get_dist_info
from mmengine.logging import print_log
from torch import nn

from mmsniper.datasets.image_subset import ImageSubset
from mmsniper.datasets.proposal_file import (
    ProposalTable,
    read_proposals,
    shortest_names,
    write_proposals,
)
from mmsniper.errors import InputError
from mmsniper.utils import write_json

from .pyramid_detection import detect_on_pyramid, pyramid_dataset

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
) -> None:
    """Detect on the pyramid of all images and write what is found to a file of proposals.

    Runs on one process or on all of a process group, which need to see the same file system. Until
    the file is whole, parts of it are in ``out_file`` with ``.parts`` at its end; a later call goes
    on with the images that are not in them.

    Args:
        model (nn.Module): A detector, or an RPN.
        images: Dataset of the images; one that comes several times is looked at once.
        test_dataset (Mapping): Config of a ``ChipDataset`` in test mode, whose levels, valid ranges
            and pipeline are used.
        out_file (str | Path): Ends in ``.npz``.
        fingerprint (Mapping): What the result depends on, such as the checkpoint, in terms of JSON.
            Parts made with another one are not gone on with.
        select (Callable, optional): Given the index of an image and its merged result, says which
            detections to keep, (n,) bool. Defaults to None, all.
        nms (Mapping): How the views of an image are merged. Defaults to NMS at IoU 0.7.
        max_per_image (int): The most proposals of an image, those with the highest scores. Defaults
            to 300.
        batch_size (int): Views per forward pass. Defaults to 1.
        num_workers (int): Processes that load images. Defaults to 2.
        images_per_part (int): How many images a process is done with before it writes them.
            Defaults to 500.

    Raises:
        InputError: The file cannot be written, or parts of another run are in its place.
    """
    out_file = Path(out_file)
    rank, world_size = get_dist_info()
    paths = [str(images.get_data_info(index)['img_path']) for index in range(len(images))]
    chosen = unique_images(paths)
    names = shortest_names([paths[index] for index in chosen])
    parts = ProposalParts(out_file, names, images_per_part)
    if rank == 0:
        parts.open(fingerprint)
    barrier()
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

        detect_on_pyramid(
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
    barrier()
    if rank == 0:
        parts.close()
    barrier()


def unique_images(paths: list[str]) -> np.ndarray:
    """The index of the first occurrence of each path, ascending, (m,) int64."""
    _, first = np.unique(np.array(paths, dtype=str), return_index=True)
    return np.sort(first)


class ProposalParts:
    """Parts of a file of proposals: each is a file of the same format, for some of the images.

    Args:
        out_file (Path): The file to be.
        names (np.ndarray): (m,) str, names of all its images.
        images_per_part (int): How many images a part has.
    """

    def __init__(self, out_file: Path, names: np.ndarray, images_per_part: int) -> None:
        self.out_file = out_file
        self.folder = out_file.with_name(out_file.name + '.parts')
        self.names = names
        self.images_per_part = images_per_part
        self._waiting: list[tuple] = []

    def open(self, fingerprint: Mapping) -> None:
        """Make the folder, or make sure that what is in it belongs to this run."""
        expected = json.loads(json.dumps(dict(fingerprint)))
        record = self.folder / 'run.json'
        if self.folder.exists():
            found = json.loads(record.read_text()) if record.is_file() else None
            if found != expected:
                raise InputError(
                    f'{self.folder} is of an extraction with other settings or another checkpoint: '
                    'delete it to begin anew, or name another file'
                )
            return
        write_json(record, expected)

    def _part_tables(self) -> list[ProposalTable]:
        return [read_proposals(path) for path in sorted(self.folder.glob('*.npz'))]

    def finished_names(self) -> np.ndarray:
        """Names of the images in the parts that are there."""
        empty = np.array([], dtype=str)
        return np.concatenate([empty, *(table.names for table in self._part_tables())])

    def add(self, row: int, shape: tuple[int, int], boxes: np.ndarray, scores: np.ndarray) -> None:
        """Add the image of a row of ``names``, its (height, width) and its proposals."""
        self._waiting.append((row, shape, boxes, scores))
        if len(self._waiting) >= self.images_per_part:
            self.flush()

    def flush(self) -> None:
        """Write the images that were added since the last part."""
        if not self._waiting:
            return
        rows, shapes, boxes, scores = zip(*self._waiting)
        shapes = np.array(shapes, np.int64).reshape(-1, 2)
        table = ProposalTable(
            names=self.names[list(rows)],
            heights=shapes[:, 0],
            widths=shapes[:, 1],
            image_starts=np.concatenate([[0], np.cumsum([len(part) for part in boxes])]),
            boxes=np.concatenate(boxes).astype(np.float32).reshape(-1, 4),
            scores=np.concatenate(scores).astype(np.float32),
        )
        # An image is in one part only, so its row makes a name that no other process takes.
        write_proposals(self.folder / f'{rows[0]:08d}.npz', table)
        self._waiting.clear()

    def close(self) -> None:
        """Join the parts to the file, in the order of the names, and remove them."""
        table = join_tables(self._part_tables(), self.names)
        write_proposals(self.out_file, table)
        shutil.rmtree(self.folder)
        print_log(
            f'{len(table.boxes)} proposals of {len(table)} images are in {self.out_file}.',
            logger='current',
        )


def join_tables(tables: list[ProposalTable], names: np.ndarray) -> ProposalTable:
    """One table of several, its images in the order of ``names``.

    Raises:
        InputError: An image is in none of them.
    """
    row_of = {
        name: (table, row) for table in tables for row, name in enumerate(table.names.tolist())
    }
    missing = [name for name in names.tolist() if name not in row_of]
    if missing:
        raise InputError(f'{len(missing)} images have no proposals, such as {missing[0]}')
    located = [row_of[name] for name in names.tolist()]
    slices = [slice(*table.image_starts[row : row + 2]) for table, row in located]
    tables_of = [table for table, _ in located]
    return ProposalTable(
        names=names,
        heights=np.array([table.heights[row] for table, row in located], np.int64),
        widths=np.array([table.widths[row] for table, row in located], np.int64),
        image_starts=np.concatenate([[0], np.cumsum([s.stop - s.start for s in slices])]),
        boxes=np.concatenate(
            [np.zeros((0, 4), np.float32)] + [t.boxes[s] for t, s in zip(tables_of, slices)]
        ),
        scores=np.concatenate(
            [np.zeros(0, np.float32)] + [t.scores[s] for t, s in zip(tables_of, slices)]
        ),
    )
