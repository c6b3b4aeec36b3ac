"""Where figures come from: commit, versions, machine, date."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime, timezone
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from mmsniper.version import __version__

PACKAGES = ('torch', 'numpy', 'opencv-python', 'mmengine', 'mmcv', 'mmdet', 'pycocotools')
FORKS = {'mmengine': 'onedl-mmengine', 'mmcv': 'onedl-mmcv', 'mmdet': 'onedl-mmdetection'}


def provenance(threads: int) -> dict[str, Any]:
    """What the figures of a run depend on besides its config.

    Args:
        threads (int): How many threads PyTorch has in each process of a run.

    Returns:
        dict[str, Any]: For JSON.
    """
    return dict(
        commit=commit(),
        date=datetime.now(timezone.utc).isoformat(timespec='seconds'),
        machine=machine(),
        threads=threads,
        versions=versions(),
    )


@cache
def commit() -> str:
    """The hash of the commit, with ``+changes`` where tracked files differ from it."""
    folder = Path(__file__).resolve().parent
    git = ['git', '-C', str(folder)]
    try:
        found = subprocess.run([*git, 'rev-parse', 'HEAD'], capture_output=True, text=True)
        changed = subprocess.run(
            [*git, 'status', '--porcelain', '--untracked-files=no'], capture_output=True, text=True
        )
    except FileNotFoundError:
        return 'unknown'
    if found.returncode:
        return 'unknown'
    return found.stdout.strip() + ('+changes' if changed.stdout.strip() else '')


@cache
def machine() -> str:
    """Processor, cores, and GPU if there is one."""
    name = platform.processor() or platform.machine()
    info = Path('/proc/cpuinfo')
    if info.is_file():
        lines = [line for line in info.read_text().splitlines() if line.startswith('model name')]
        name = lines[0].partition(':')[2].strip() if lines else name
    parts = [name, f'{os.cpu_count()} cores']
    if torch.cuda.is_available():
        parts.append(f'{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}')
    return ', '.join(parts)


@cache
def versions() -> dict[str, str]:
    """Versions of Python, mmsniper and what it runs on."""
    found = dict(python=platform.python_version(), mmsniper=__version__)
    for name in PACKAGES:
        for distribution in (name, FORKS.get(name, name)):
            try:
                found[name] = metadata.version(distribution)
                break
            except metadata.PackageNotFoundError:
                continue
    return found
