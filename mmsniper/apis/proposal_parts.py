"""A file of proposals in the making: what is done lies in parts beside it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from mmsniper.datasets.proposal_file import (
    ProposalTable,
    read_origin,
    read_proposals,
    write_proposals,
)
from mmsniper.errors import InputError
from mmsniper.utils import write_json


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
        self.origin: dict = {}
        self._waiting: list[tuple] = []

    def open(self, fingerprint: Mapping, anew: bool) -> bool:
        """Make the folder, or make sure that what is there belongs to this run.

        Args:
            fingerprint (Mapping): What the result depends on, besides the images.
            anew (bool): Whether to remove what is there instead.

        Returns:
            bool: Whether the file is finished.

        Raises:
            InputError: Something of another run is there.
        """
        images = hashlib.sha256('\n'.join(self.names.tolist()).encode()).hexdigest()
        self.origin = json.loads(json.dumps(dict(fingerprint, images=images)))
        if anew:
            self.out_file.unlink(missing_ok=True)
            if self.folder.exists():
                shutil.rmtree(self.folder)
        if self.out_file.is_dir():
            raise InputError(f'{self.out_file} is a folder: name a file')
        return self._is_finished() or self._take_up()

    def _is_finished(self) -> bool:
        if not self.out_file.is_file():
            return False
        try:
            read_proposals(self.out_file)
        except InputError as error:
            print_log(f'{error}, which is done now.', logger='current')
            return False
        self._check_origin(self.out_file, read_origin(self.out_file))
        print_log(f'{self.out_file} is there already, of the same extraction.', logger='current')
        return True

    def _take_up(self) -> bool:
        record = self.folder / 'run.json'
        parts = sorted(self.folder.glob('*.npz'))
        if record.is_file() or parts:
            try:
                found = json.loads(record.read_text())
            except (OSError, ValueError):
                found = None
            self._check_origin(self.folder, found)
        else:
            write_json(record, self.origin)
        for path in parts:
            try:
                read_proposals(path)
            except InputError:
                print_log(f'{path} is cut short; its images are looked at again.', logger='current')
                path.unlink()
        return False

    def _check_origin(self, path: Path, found: dict | None) -> None:
        if found == self.origin:
            return
        if isinstance(found, dict):
            keys = [key for key in self.origin if found.get(key) != self.origin[key]]
            what = (
                'is of an extraction with other settings or another checkpoint (another '
                f'{" and ".join(keys)})'
            )
        else:
            what = 'does not say which checkpoint and settings it was made with'
        raise InputError(f'{path} {what}: delete it to begin anew, or name another file')

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
        write_proposals(self.out_file, table, self.origin)
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
        raise InputError(
            f'{len(missing)} images have no proposals, such as {missing[0]}: call again'
        )
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
