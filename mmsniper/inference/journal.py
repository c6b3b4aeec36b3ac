"""What a run has found so far, in files, so that one that was stopped goes on where it was."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmsniper.errors import InputError
from mmsniper.utils.whole_file import write_whole

from .detections import ImageDetections
from .stream import Record

_WAIT = 0.2  # seconds between looks at what other processes have done


class Journal(Record):
    """The blocks of a run: a file of each that is done, and one of each that is under way.

    Lines are JSON, of an image in the former and of the views of a batch in the latter, whose last
    line may be cut short by a death and does not count then.

    Args:
        folder: Where; it is made. Others that share the work have the same.
        rank: Which of them this process is.
        world_size: How many share the work: block ``n`` is the affair of rank ``n % world_size``.
    """

    def __init__(self, folder: Path, rank: int = 0, world_size: int = 1) -> None:
        self.folder = folder
        self.rank = rank
        self.world_size = world_size
        self.num_blocks = 0
        folder.mkdir(parents=True, exist_ok=True)

    def wants(self, block: int) -> bool:
        """See :class:`mmsniper.inference.stream.Record`."""
        self.num_blocks = max(self.num_blocks, block + 1)
        return block % self.world_size == self.rank and not self._done(block).is_file()

    def batches(self, block: int) -> dict[int, list[ImageDetections]]:
        """See :class:`mmsniper.inference.stream.Record`."""
        path, known = self._begun(block), {}
        if not path.is_file():
            return known
        content = path.read_bytes()
        whole = content[: content.rfind(b'\n') + 1]
        if len(whole) < len(content):
            write_whole(path, whole)
        for line in whole.splitlines():
            entry = json.loads(line)
            known[entry['batch']] = [ImageDetections.from_json(view) for view in entry['views']]
        return known

    def add(self, block: int, batch: int, found: Sequence[ImageDetections]) -> None:
        """See :class:`mmsniper.inference.stream.Record`."""
        entry = dict(batch=batch, views=[view.to_json() for view in found])
        with self._begun(block).open('a') as file:
            file.write(json.dumps(entry) + '\n')

    def finish(self, block: int, images: Sequence[ImageDetections]) -> None:
        """See :class:`mmsniper.inference.stream.Record`."""
        lines = [json.dumps(image.to_json()) + '\n' for image in images]
        write_whole(self._done(block), ''.join(lines).encode())
        self._begun(block).unlink(missing_ok=True)

    def wait(self) -> None:
        """Wait until the other processes have done their blocks too."""
        while not all(self._done(block).is_file() for block in range(self.num_blocks)):
            time.sleep(_WAIT)

    def images(self) -> Iterator[ImageDetections]:
        """The results of all images whose blocks are done, in order, one in memory at a time."""
        for path in sorted(self.folder.glob('block-*.jsonl')):
            with path.open() as file:
                for line in file:
                    yield ImageDetections.from_json(json.loads(line))

    def remove(self) -> None:
        """Delete the files, once all that is made of them is there."""
        shutil.rmtree(self.folder)

    def _done(self, block: int) -> Path:
        return self.folder / f'block-{block:08d}.jsonl'

    def _begun(self, block: int) -> Path:
        return self.folder / f'begun-{block:08d}.jsonl'


def check_same(path: Path, settings: Mapping[str, Any]) -> None:
    """Raise an InputError unless a file of settings says the same.

    Args:
        path: The file, of an earlier run.
        settings: What this one is made with, as JSON has it.
    """
    try:
        before = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f'{path} of the run to go on with cannot be read: {error}') from error
    for key in settings:
        if before.get(key) != settings[key]:
            raise InputError(
                f'the run in {path.parent} has another {key} ({str(before.get(key))[:80]!r}, now '
                f'{str(settings[key])[:80]!r}), so that this one cannot go on with it: give the '
                'same, or another folder'
            )
