"""Train a detector: MMDetection's own train.py, plug-in and CPU served.

python tools/train.py CONFIG [options]
"""

from mmsniper.utils import run_script
from mmsniper.utils.mmdet_script import run_mmdet_script


def main() -> None:
    run_mmdet_script('train')


if __name__ == '__main__':
    run_script(main)
