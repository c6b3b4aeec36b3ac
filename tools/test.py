"""Test a detector: MMDetection's own test.py, plug-in and CPU served.

python tools/test.py CONFIG CHECKPOINT [options]
"""

from mmsniper.utils import run_script
from mmsniper.utils.mmdet_script import run_mmdet_script


def main() -> None:
    run_mmdet_script('test')


if __name__ == '__main__':
    run_script(main)
