"""Train a detector with negative chips: RPN, proposals, detector, in one go.

python tools/train_sniper.py CONFIG

1. An RPN is trained on the positive chips of CONFIG's data (WORK_DIR/rpn).
2. It looks at all training images; its proposals go to WORK_DIR/proposals.npz.
3. CONFIG's detector is trained on positive and negative chips (WORK_DIR/detector).

Called again after an interruption it goes on where it was and leaves out what is finished; a
checkpoint that was cut short is not. One run at a time works in WORK_DIR. The RPN
is the one that CONFIG names as rpn_config, or has ResNet-50-FPN, or is given with --rpn-config; its
data, levels and pipelines are CONFIG's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from mmengine.config import Config, DictAction

from mmsniper.conversion.stage_configs import detector_stage, load_config, rpn_stage
from mmsniper.datasets.proposal_file import read_origin, read_proposals
from mmsniper.errors import InputError
from mmsniper.utils import run_script
from mmsniper.utils.arguments import non_negative_int
from mmsniper.utils.claim import claim
from mmsniper.utils.saved_checkpoints import (
    checkpoint_fault,
    checkpoint_to_resume,
    content_hash,
)
from mmsniper.utils.whole_file import write_whole

TOOLS = Path(__file__).resolve().parent


def main() -> None:
    args = parse_args()
    config = load_config(args.config)
    config.merge_from_dict(args.cfg_options or {})
    work_dir = args.work_dir or Path('work_dirs') / Path(args.config).stem
    proposals = args.proposals or work_dir / 'proposals.npz'
    detector = detector_stage(config, str(proposals))
    rpn = rpn_stage(config, args.rpn_config) if args.proposals is None else None
    with claim(work_dir) as descriptor:
        if descriptor is None:
            raise InputError(
                f'another train_sniper.py is at work in {work_dir}: wait for it, or choose another '
                '--work-dir'
            )
        args.keep_open = (descriptor,)
        train_stages(rpn, detector, work_dir, proposals, args)


def train_stages(
    rpn: Config | None, detector: Config, work_dir: Path, proposals: Path, args: argparse.Namespace
) -> None:
    """Do all stages that are not finished, without the RPN where there are proposals."""
    if rpn is not None:
        rpn_dir = work_dir / 'rpn'
        rpn_path = write_config(rpn, work_dir / 'rpn.py')
        train('RPN', rpn_path, rpn_dir, args)
        extract(rpn_path, final_checkpoint(rpn, rpn_dir), proposals, args)
    read_proposals(proposals)  # an unusable file shows now

    detector_dir = work_dir / 'detector'
    detector_path = write_config(detector, work_dir / 'detector.py')
    train('detector', detector_path, detector_dir, args)
    print(f'\nDone: {final_checkpoint(detector, detector_dir)}')
    for name, value in last_metrics(detector_dir).items():
        print(f'{name}: {value:.4f}')


def write_config(config: Config, path: Path) -> Path:
    """Write the config of a stage, or make sure that the stage was begun with the same one."""
    text = config.pretty_text
    if path.is_file() and path.read_text() != text:
        raise InputError(
            f'{path.with_suffix("")} was begun with another config, {path}: delete both to begin '
            'anew, or choose another --work-dir'
        )
    write_whole(path, text.encode())
    return path


def train(title: str, config: Path, work_dir: Path, args: argparse.Namespace) -> None:
    """Train a stage, from its newest whole checkpoint, unless that is the final one."""
    final = final_checkpoint(Config.fromfile(config), work_dir)
    start, faults = checkpoint_to_resume(final)
    if start == final:
        print(f'\n--- {title}: finished before, {final} is there', flush=True)
        return
    if faults:
        begin = f'going on from {start}' if start else 'training anew'
        print(f'\n--- {title}: {"; ".join(faults)}: {begin}', flush=True)
    options = ['--resume', start] if start else []
    options += ['--amp'] * args.amp + ['--auto-scale-lr'] * args.auto_scale_lr
    run(f'{title}: training', args, 'train.py', config, '--work-dir', work_dir, *options)
    if (fault := checkpoint_fault(final)) is not None:
        raise InputError(
            f'the training of the {title} ended, but {final} {fault}: its CheckpointHook must save '
            'the last epoch, and needs room on the disk'
        )


def extract(config: Path, checkpoint: Path, out: Path, args: argparse.Namespace) -> None:
    """Extract the proposals unless those of this checkpoint are there."""
    if out.is_file():
        try:
            read_proposals(out)
        except InputError as error:
            print(f'\n--- Proposals: {error}', flush=True)
        else:
            made_with = (read_origin(out) or {}).get('checkpoint')
            if made_with not in (None, content_hash(checkpoint)):
                raise InputError(
                    f'{out} was made with another checkpoint than {checkpoint}: delete it to '
                    'extract the proposals anew'
                )
            print(f'\n--- Proposals: finished before, {out} is there', flush=True)
            return
    run('Proposals', args, 'extract_proposals.py', config, checkpoint, '--out', out)


def run(title: str, args: argparse.Namespace, script: str, *arguments) -> None:
    """Run one of the tools, in several processes where asked to."""
    command = [sys.executable]
    if args.gpus > 1:
        command += ['-m', 'torch.distributed.run', '--standalone', f'--nproc_per_node={args.gpus}']
        arguments += ('--launcher', 'pytorch')
    command += [str(TOOLS / script), *map(str, arguments)]
    print(f'\n--- {title}:\n$ {" ".join(["python", *command[1:]])}', flush=True)
    # The scripts use the mmsniper that they lie beside.
    python_path = os.pathsep.join([str(TOOLS.parent), *filter(None, [os.getenv('PYTHONPATH')])])
    environment = {**os.environ, 'PYTHONPATH': python_path}
    if args.gpus == 0:
        environment['CUDA_VISIBLE_DEVICES'] = ''
    # The stages hold the claim on the work folder as well, should this process be killed.
    done = subprocess.run(command, env=environment, pass_fds=args.keep_open)
    if (status := done.returncode) != 0:
        raise InputError(f'{script} ended with status {status}, see above')


def final_checkpoint(config: Config, work_dir: Path) -> Path:
    """Where the checkpoint of the last epoch or iteration of a training is."""
    loop = config.train_cfg
    if loop.get('max_epochs'):
        return work_dir / f'epoch_{loop.max_epochs}.pth'
    return work_dir / f'iter_{loop.max_iters}.pth'


def last_metrics(work_dir: Path) -> dict[str, float]:
    """What the last validation found, as the logs in a work folder have it."""
    for log in sorted(work_dir.glob('*/vis_data/scalars.json'), reverse=True):
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        metrics = [line for line in lines if any('/' in key for key in line)]
        if metrics:
            return {key: value for key, value in metrics[-1].items() if '/' in key}
    return {}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='of the detector: a path, or mmsniper::folder/name.py')
    parser.add_argument('--work-dir', type=Path, help='default: work_dirs/CONFIG')
    parser.add_argument(
        '--gpus',
        type=non_negative_int,
        default=1,
        help='processes, one for each GPU where there are some; 0: one on the CPU (default: 1)',
    )
    parser.add_argument('--rpn-config', help='config of the RPN')
    parser.add_argument(
        '--proposals',
        type=Path,
        metavar='FILE',
        help='use these instead of training an RPN: .npz, or .pkl of DumpProposals (which can run '
        'code when it is loaded)',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision')
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help='fit the learning rate to the batch size'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='override settings, as key=value'
    )
    return parser.parse_args()


if __name__ == '__main__':
    run_script(main)
