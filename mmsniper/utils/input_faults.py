"""Which exceptions of the framework are due to what a person gave, and the sentence for each.

MMDetection and mmengine raise KeyErrors, TypeErrors and assertions for a mistake in a config as
well as for a defect. What tells them apart is where they come from, and that is in the traceback:
which function of the framework was at work (loading a config, building from it, loading a
checkpoint, joining other processes), and on what. An exception that passed through code of this
package or of the user's after that is no mistake in the input, since such code checks what it is
given itself.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NamedTuple

from mmdet.engine.hooks.utils import trigger_visualization_hook
from mmengine.config import Config, DictAction
from mmengine.dist import init_dist
from mmengine.registry import build_from_cfg
from mmengine.runner import CheckpointLoader, Runner

#: What a file system answers if it cannot do what is asked.
_FILE_SYSTEM = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EFBIG, errno.EIO, errno.ESTALE, errno.ELOOP),
}
#: Those that are bad input wherever they arise, in a data-loader worker too, which keeps no errno.
FILE_ERRORS = (
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
#: What constructors of the framework raise for values that they cannot use. A RuntimeError is not
#: among them: it may be a device without memory.
_REFUSALS = (
    *(AssertionError, AttributeError, ImportError, IndexError, KeyError, NotImplementedError),
    *(TypeError, ValueError),
)
_FRAMEWORK = {
    *('mmengine', 'mmcv', 'mmdet', 'torch', 'numpy', 'pycocotools', 'addict', 'cv2'),
    *getattr(sys, 'stdlib_module_names', ('json', 'pickle', 'importlib', 'contextlib')),
}
_RUNNER_BUILDS = {
    *('__init__', 'from_cfg', 'setup_env', 'set_randomness', 'wrap_model', 'scale_lr'),
    *('register_hook', 'register_custom_hooks', 'register_default_hooks', '_check_scheduler_cfg'),
}
_MAX_LENGTH = 300


class Call(NamedTuple):
    """A function that an exception passed through, and the line where it was."""

    frame: FrameType
    line: int

    @property
    def module(self) -> str:
        return str(self.frame.f_globals.get('__name__', ''))

    @property
    def name(self) -> str:
        return self.frame.f_code.co_name

    @property
    def is_framework(self) -> bool:
        return self.module.split('.')[0] in _FRAMEWORK

    def is_of(self, *functions: object) -> bool:
        """Whether it is a call of one of these functions."""
        functions = (getattr(function, '__func__', function) for function in functions)
        return any(self.frame.f_code is getattr(f, '__code__', None) for f in functions)

    def local(self, name: str) -> object:
        return self.frame.f_locals.get(name)

    def __str__(self) -> str:
        return f'{os.path.basename(self.frame.f_code.co_filename)}:{self.line} ({self.name})'


def input_fault(error: BaseException) -> str | None:
    """The sentence for an exception that is due to the input.

    Args:
        error: The exception, with its traceback.

    Returns:
        The sentence; None if the exception is a defect, or may be one.
    """
    calls = calls_of(error)
    if not isinstance(error, Exception) or not calls:
        return None
    faults = (_options, _config, _checkpoint, _launcher, _files, _lookup, _building, _script)
    return next((sentence for fault in faults if (sentence := fault(error, calls))), None)


def calls_of(error: BaseException) -> list[Call]:
    """The calls that an exception passed through, the innermost last."""
    calls, entry = [], error.__traceback__
    while entry is not None:
        calls.append(Call(entry.tb_frame, entry.tb_lineno))
        entry = entry.tb_next
    return calls


def reason(error: BaseException) -> str:
    """The type and the message of an exception on one line, not too long."""
    if isinstance(error, SyntaxError):
        return f'line {error.lineno}: {error.msg}'
    message = ' '.join(str(error).split())
    if len(message) > _MAX_LENGTH:
        message = f'{message[:_MAX_LENGTH]} ...'
    says_enough = isinstance(
        error, (AssertionError, ImportError, OSError, RuntimeError, ValueError)
    )
    if message and says_enough and type(error).__module__ == 'builtins':
        return message
    return f'{type(error).__name__}: {message}' if message else type(error).__name__


def _options(error: Exception, calls: Sequence[Call]) -> str | None:
    """A malformed ``--cfg-options``, or one that does not fit the config."""
    for call in calls:
        if call.is_of(DictAction.__call__):
            option = call.local('option_string')
            return f'{option} {call.local("kv")} is malformed: write key=value, brackets in pairs'
        if call.is_of(Config.merge_from_dict) and _only_framework_after(call, calls):
            keys = ', '.join(map(str, call.local('options') or {}))
            return f'--cfg-options ({keys}) do not fit the config: {reason(error)}'
    return None


def _config(error: Exception, calls: Sequence[Call]) -> str | None:
    """A config that cannot be loaded."""
    if not any(call.is_of(Config.fromfile) for call in calls):
        return None
    # The innermost file is the one with the fault: it may be a base of the config.
    last = max(i for i, c in enumerate(calls) if _is_of_config(c) and c.local('filename'))
    file = calls[last].local('filename')
    if isinstance(error, FileNotFoundError) and str(file) in str(error):
        return f'config {file} does not exist'
    inside = calls[last + 1] if last + 1 < len(calls) else None
    line = f'line {inside.line}: ' if inside is not None and inside.name == '<module>' else ''
    return f'config {file} cannot be loaded: {line}{reason(error)}'


def _checkpoint(error: Exception, calls: Sequence[Call]) -> str | None:
    """A checkpoint that cannot be read, or lacks what resuming needs."""
    loaders = CheckpointLoader.load_checkpoint, Runner.load_checkpoint
    call = _last(calls, *loaders)
    if call is not None and _only_framework_after(call, calls):
        file = call.local('filename')
        if isinstance(error, FileNotFoundError):
            return f'checkpoint {str(file) or repr(file)} does not exist'
        return (
            f'checkpoint {file} cannot be read, since it is cut short, empty or something else: '
            f'{reason(error)}'
        )
    # The decorator of ``resume`` is beside it in the traceback, and has no such local.
    resume = next((c for c in reversed(calls) if _is_method(c, 'resume')), None)
    if resume is None or not _only_framework_after(resume, calls):
        return None
    if not isinstance(error, (*_REFUSALS, RuntimeError)) or resume.local('checkpoint') is None:
        return None
    return (
        f'checkpoint {resume.local("filename")} cannot be resumed from ({reason(error)}): resume '
        'from one of the same training, or name it as load_from to take its weights only'
    )


def _launcher(error: Exception, calls: Sequence[Call]) -> str | None:
    """An environment that no launcher has prepared."""
    if calls[-1].is_of(type(os.environ).__getitem__):
        return (
            f'the environment variable {error.args[0]} is not set, which the launcher of several '
            'processes sets: start with it (torchrun, srun, mpirun), or leave --launcher out'
        )
    joins = [c for c in calls if c.is_of(init_dist) or c.name == 'init_process_group']
    if not joins or not _only_framework_after(joins[-1], calls):
        return None
    return f'the processes of --launcher cannot join each other: {reason(error)}'


def _files(error: Exception, calls: Sequence[Call]) -> str | None:
    """What the file system refuses: no right, no space, a file in the place of a folder."""
    if not isinstance(error, OSError):
        return None
    if error.errno not in _FILE_SYSTEM:
        return None
    if error.filename is not None:
        file = error.filename
    else:  # a full disk is told of by a write, which has no name
        names = (
            c.local(name) for c in reversed(calls) for name in ('filepath', 'filename', 'path')
        )
        file = next((name for name in names if isinstance(name, (str, os.PathLike))), None)
    if error.errno == errno.EEXIST:
        return f'{file} is a file already, where a folder is needed: name another place'
    place = f'{file} cannot be used' if file is not None else 'a file cannot be written'
    return f'{place}: {error.strerror}'


def _lookup(error: Exception, calls: Sequence[Call]) -> str | None:
    """A key that a config does not have."""
    if not isinstance(error, (KeyError, AttributeError)) or not _is_of_config(calls[-1]):
        return None
    if calls[-1].name not in ('__missing__', '__getattr__', '__getitem__'):
        return None
    found = re.search(r"no attribute '(\w+)'", str(error))
    key = found.group(1) if found else error.args[0]
    asker = next((c for c in reversed(calls) if c.module.split('.')[0] not in _LOOKUPS), calls[0])
    where = ' > '.join(_built(calls))
    return f'the config has no key {key!r}{f" in {where}" if where else ""}, asked for by {asker}'


_LOOKUPS = ('addict', 'mmengine')


def _building(error: Exception, calls: Sequence[Call]) -> str | None:
    """Settings that the framework refuses while it builds from them."""
    call = next((c for c in reversed(calls) if c.is_of(build_from_cfg) or _builds(c)), None)
    if call is None or not isinstance(error, _REFUSALS):
        return None
    unexpected = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    misnamed = unexpected and unexpected.group(1) in (call.local('args') or {})
    if not misnamed and not _only_framework_after(call, calls):
        return None
    where = ' > '.join(_built(calls))
    if call.is_of(Runner.from_cfg) and isinstance(error, KeyError):
        return f'the config has no key {error.args[0]!r}'
    sentence = reason(error).replace('KeyError: ', '').split(' More details can be found')[0]
    at = '' if calls[-1] is call else f', at {calls[-1]}'
    return f'the config cannot be built{f", in {where}" if where else ""}: {sentence}{at}'


def _script(error: Exception, calls: Sequence[Call]) -> str | None:
    """What MMDetection's scripts and mmengine's runner themselves refuse."""
    refused = isinstance(error, (*_REFUSALS, RuntimeError))
    itself = (
        calls[-1].module in ('mmdet_train_script', 'mmdet_test_script')
        or calls[-1].is_of(trigger_visualization_hook)
        or any(_is_method(calls[-1], name) for name in ('train', 'val', 'test'))
    )
    return reason(error) if refused and itself else None


def _last(calls: Sequence[Call], *functions: object) -> Call | None:
    return next((call for call in reversed(calls) if call.is_of(*functions)), None)


def _only_framework_after(call: Call, calls: Sequence[Call]) -> bool:
    start = next(i for i, other in enumerate(calls) if other is call)
    return all(other.is_framework for other in calls[start + 1 :])


def _is_of_config(call: Call) -> bool:
    return call.module == 'mmengine.config.config'


def _is_method(call: Call, name: str) -> bool:
    return call.module == Runner.__module__ and call.name == name


def _builds(call: Call) -> bool:
    name = call.name
    return call.module == Runner.__module__ and (
        name in _RUNNER_BUILDS or name.startswith('build_')
    )


def _built(calls: Sequence[Call]) -> list[str]:
    """The types that were being built, outer ones first."""
    names = []
    for call in calls:
        if call.is_of(build_from_cfg):
            kind = call.local('obj_type') or (call.local('cfg') or {}).get('type')
            if kind is not None:
                names.append(
                    kind if isinstance(kind, str) else getattr(kind, '__name__', str(kind))
                )
        elif _is_method(call, 'build_dataloader'):
            names.append('dataloader')
    return names
