"""Training and testing without a GPU, which mmengine's launchers take for granted."""

import os
import subprocess
import sys
from argparse import Namespace
from typing import Any

import torch.distributed
from mmengine.config import Config
from mmengine.device import get_device

#: Options of ``AmpOptimWrapper`` that the plain ``OptimWrapper`` does not have.
_AMP_OPTIONS = ('loss_scale', 'dtype', 'use_fsdp')


def has_accelerator() -> bool:
    """Whether PyTorch sees a device that mmengine's launchers and mixed precision can use."""
    return get_device() not in ('cpu', 'mps')


def fit_to_cpu(arguments: Namespace) -> None:
    """Fit the parsed options of MMDetection's scripts to a machine without an accelerator.

    Several processes talk through gloo instead of NCCL, and mixed precision, which mmengine has for
    accelerators only, becomes full precision with a warning. A ``model_wrapper_cfg`` of the user's
    own stays.

    Args:
        arguments: ``config``, ``cfg_options``, ``launcher`` and, of the training script, ``amp``,
            as parsed; ``cfg_options`` and ``amp`` are changed in place.

    Raises:
        FileNotFoundError: The config does not exist.
    """
    config = Config.fromfile(arguments.config)
    options = dict(arguments.cfg_options or {})
    if options:
        config.merge_from_dict(options)
    if _wants_amp(config, arguments):
        _warn('no GPU is available: training in full precision, not mixed precision')
        arguments.amp = False
        replacement = full_precision(config['optim_wrapper'])
        options = _without('optim_wrapper', options)
        options['optim_wrapper'] = {'_delete_': True, **replacement}
    if arguments.launcher != 'none':
        join_gloo_group(arguments.launcher)
        options.update(cpu_wrapper_options(config))
    arguments.cfg_options = options or None


def full_precision(optim_wrapper: dict) -> dict:
    """The ``optim_wrapper`` of a config as a plain ``OptimWrapper``.

    Args:
        optim_wrapper: One of type ``AmpOptimWrapper``.

    Returns:
        The same without the options of mixed precision.
    """
    kept = {key: value for key, value in optim_wrapper.items() if key not in _AMP_OPTIONS}
    return {**kept, 'type': 'OptimWrapper'}


def cpu_wrapper_options(config: Config) -> dict[str, Any]:
    """Options that make mmengine wrap a model on the CPU for training in several processes.

    Args:
        config: The config, whose own wrapper and ``find_unused_parameters`` are kept.

    Returns:
        Options as of ``--cfg-options``; empty for a wrapper class of the user's, which knows its
        own.
    """
    wrapper = config.get('model_wrapper_cfg')
    if wrapper is None:  # mmengine's defaults, which it does not use once there is a config
        return {
            'model_wrapper_cfg': {
                'type': 'MMDistributedDataParallel',
                'device_ids': None,
                'broadcast_buffers': False,
                'find_unused_parameters': config.get('find_unused_parameters', False),
            }
        }
    if wrapper.get('type', 'MMDistributedDataParallel') == 'MMDistributedDataParallel':
        return {'model_wrapper_cfg.device_ids': wrapper.get('device_ids')}
    return {}


def join_gloo_group(launcher: str) -> None:
    """Join the process group of a launcher through gloo, in which case mmengine leaves it alone.

    Args:
        launcher: ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
    """
    env = os.environ
    if launcher == 'slurm':
        env['RANK'], env['WORLD_SIZE'] = env['SLURM_PROCID'], env['SLURM_NTASKS']
        env['LOCAL_RANK'] = env.get('SLURM_LOCALID', '0')
        if 'MASTER_ADDR' not in env:
            command = ['scontrol', 'show', 'hostname', env['SLURM_NODELIST']]
            env['MASTER_ADDR'] = subprocess.check_output(command, text=True).split()[0]
    elif launcher == 'mpi':
        for key in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'):
            env[key] = env[f'OMPI_COMM_WORLD_{key.replace("WORLD_", "")}']
        env.setdefault('MASTER_ADDR', '127.0.0.1')
    env.setdefault('MASTER_PORT', '29500')
    torch.distributed.init_process_group('gloo')


def _wants_amp(config: Config, arguments: Namespace) -> bool:
    if not hasattr(arguments, 'amp') or 'optim_wrapper' not in config:
        return False  # the test script builds no optimiser
    if not isinstance(config['optim_wrapper'], dict):
        return False  # which the runner refuses
    kind = config['optim_wrapper'].get('type', 'OptimWrapper')
    name = kind if isinstance(kind, str) else kind.__name__
    return arguments.amp or name.split('.')[-1] == 'AmpOptimWrapper'


def _without(key: str, options: dict) -> dict:
    return {k: v for k, v in options.items() if k != key and not k.startswith(f'{key}.')}


def _warn(sentence: str) -> None:
    ranks = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')
    if all(os.environ.get(rank, '0') == '0' for rank in ranks):
        print(f'warning: {sentence}', file=sys.stderr)
