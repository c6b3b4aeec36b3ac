"""A transform that writes down which process loads which image."""

import os
from pathlib import Path

from mmdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RecordRead:
    """Adds a line with the process and the image's path to a file."""

    def __init__(self, file: str) -> None:
        self.file = file

    def __call__(self, results: dict) -> dict:
        # One small write to the end of a file is not torn apart by others.
        file = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, f'{os.getpid()} {results["img_path"]}\n'.encode())
        os.close(file)
        return results


def readers(file) -> dict[str, set[int]]:
    """Which processes loaded each image, by its file name."""
    processes: dict[str, set[int]] = {}
    for line in Path(file).read_text().splitlines():
        process, path = line.split(' ', 1)
        processes.setdefault(os.path.basename(path), set()).add(int(process))
    return processes
