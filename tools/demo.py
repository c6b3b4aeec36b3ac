"""A demonstration on drawn images: draw, look at the chips, train on them, test on the pyramid.

Every step is a command that works by itself, and is printed before it runs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

from mmsniper import InputError, config_path
from mmsniper.utils import run_script

CONFIG = 'demo/atss_r18-tiny_fpn_sniper-8e_shapes.py'
TOOLS = Path(__file__).resolve().parent

# What a person wants to see of the log of a training or test; the log file has all of it.
SHOWN = ('Epoch(', 'ChipDataset: ', 'Average Precision', 'Average Recall', 'Merged', 'Error')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/demo'), help='where everything goes'
    )
    work_dir = parser.parse_args().work_dir
    if work_dir.exists() and not work_dir.is_dir():
        raise InputError(f'--work-dir {work_dir} is a file; give a folder')
    work_dir.mkdir(parents=True, exist_ok=True)
    start = time.time()
    config = config_path(CONFIG)
    data, chips, detections = work_dir / 'data', work_dir / 'chips', work_dir / 'detections'
    options = ['--cfg-options', *data_options(data)]

    run(
        'Drawing a data set',
        work_dir,
        *('dataset_converters/draw_shapes.py', '--out-dir', data, '--train', 450),
    )
    run(
        'Drawing the chips of some images',
        work_dir,
        *('misc/browse_chips.py', config, '--out-dir', chips, '-n', 6, *options),
    )
    run(
        'Training on chips, then testing on the pyramid',
        work_dir,
        *('train.py', config, '--work-dir', work_dir / 'train', *options),
    )
    checkpoint = (work_dir / 'train' / 'last_checkpoint').read_text().strip()
    run(
        'Testing the checkpoint on the pyramid and drawing the merged detections',
        work_dir,
        *('test.py', config, checkpoint, '--work-dir', work_dir / 'test'),
        *('--show-dir', detections.resolve(), *options),
    )
    print(f'\nDone in {time.time() - start:.0f} s. Look at')
    for folder, content in (
        (chips, 'chips per level of an image, and the chips as the detector gets them'),
        (detections, 'ground truth (left) and merged detections (right)'),
    ):
        pictures = sorted(path for path in folder.iterdir() if path.suffix in ('.png', '.jpg'))
        print(f'  {folder}/: {len(pictures)} pictures, {content}; for instance {pictures[0].name}')


def data_options(data: Path) -> list[str]:
    """The options that make the config read the data set in a folder."""
    return [
        *(f'{split}_dataloader.dataset.dataset.data_root={data}/' for split in SPLITS),
        *(f'{split}_evaluator.ann_file={data}/annotations/val.json' for split in SPLITS[1:]),
    ]


SPLITS = ('train', 'val', 'test')


def run(title: str, work_dir: Path, script: str, *arguments) -> None:
    """Run one of the tools; of a training or test show what is interesting and log all of it."""
    command = [sys.executable, str(TOOLS / script), *map(str, arguments)]
    print(f'\n--- {title}:\n$ python {os.path.relpath(TOOLS / script)}', *command[2:], flush=True)
    environment = {
        **os.environ,
        # Two threads for layers this small lose more time waiting for each other than they save.
        'OMP_NUM_THREADS': '1',
        'PYTHONUNBUFFERED': '1',
    }
    if script in ('train.py', 'test.py'):
        run_logged(command, environment, work_dir / f'{Path(script).stem}.log')
    elif subprocess.run(command, env=environment).returncode:
        raise InputError(f'{script} failed, see above')


def run_logged(command: list[str], environment: dict[str, str], log_path: Path) -> None:
    """Run a command, showing the lines of its output that hold a part of ``SHOWN``."""
    last_lines = deque(maxlen=15)
    with open(log_path, 'w', encoding='utf-8') as log:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for line in process.stdout:
            log.write(line)
            last_lines.append(line)
            if any(part in line for part in SHOWN):
                print(line, end='', flush=True)
    if process.wait():
        print(''.join(last_lines), end='', file=sys.stderr)
        raise InputError(f'{command[1]} failed with status {process.returncode}; see {log_path}')


if __name__ == '__main__':
    run_script(main)
