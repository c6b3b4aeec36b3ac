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
from collections.abc import Sequence

from mmdet.engine.hooks.utils import trigger_visualization_hook
from mmengine.config import Config, DictAction
from mmengine.dist import init_dist
from mmengine.fileio import get_file_backend
from mmengine.registry import build_from_cfg
from mmengine.runner import CheckpointLoader, Runner

from .calls import Call, calls_of, only_framework_after

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
_RUNNER_BUILDS = {
    *('__init__', 'from_cfg', 'setup_env', 'set_randomness', 'wrap_model', 'scale_lr'),
    *('register_hook', 'register_custom_hooks', 'register_default_hooks', '_check_scheduler_cfg'),
}
#: What mmengine's runner takes all of or nothing of.
_TOGETHER = (
    *('train_dataloader', 'train_cfg', 'optim_wrapper', 'val_dataloader', 'val_cfg'),
    *('val_evaluator', 'test_dataloader', 'test_cfg', 'test_evaluator'),
)
_SCRIPTS = 'mmdet_train_script', 'mmdet_test_script'
_LOOKUPS = 'addict', 'mmengine'
_MAX_LENGTH = 300


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
    faults = (_options, _config, _checkpoint, _launcher, _files, _backend, _lookup, _annotations)
    faults += (_building, _script)
    return next((sentence for fault in faults if (sentence := fault(error, calls))), None)


def reason(error: BaseException) -> str:
    """The message of an exception on one line, not too long, with its type where that is needed."""
    if isinstance(error, SyntaxError):
        return f'line {error.lineno}: {error.msg}'
    # Of a KeyError that has a sentence, and not only a key, str() gives the sentence in quotes.
    is_sentence = isinstance(error, KeyError) and ' ' in str(*error.args[:1])
    message = ' '.join(str(error.args[0] if is_sentence else error).split())
    for noise in (' More details can be found', ', the current sys.path'):
        message = message.split(noise)[0]
    if len(message) > _MAX_LENGTH:
        message = f'{message[:_MAX_LENGTH]} ...'
    speaking = AssertionError, ImportError, OSError, RuntimeError, ValueError
    if message and (is_sentence or isinstance(error, speaking)):
        return message
    return f'{type(error).__name__}: {message}' if message else type(error).__name__


def _options(error: Exception, calls: Sequence[Call]) -> str | None:
    """A malformed ``--cfg-options``, or one that does not fit the config."""
    for call in calls:
        if call.is_of(DictAction.__call__):
            option = call.local('option_string')
            return f'{option} {call.local("kv")} is malformed: write key=value, brackets in pairs'
        if call.is_of(Config.merge_from_dict) and only_framework_after(call, calls):
            keys = ', '.join(map(str, call.local('options') or {}))
            return f'--cfg-options ({keys}) do not fit the config: {reason(error)}'
    return None


def _config(error: Exception, calls: Sequence[Call]) -> str | None:
    """A config that cannot be loaded."""
    begin = max((i for i, c in enumerate(calls) if c.is_of(Config.fromfile)), default=None)
    if begin is None or any(call.is_ours for call in calls[begin:]):
        return None
    # The innermost file is the one with the fault: it may be a base of the config.
    last = max(i for i, c in enumerate(calls) if _is_of_config(c) and c.local('filename'))
    file = calls[last].local('filename')
    if isinstance(error, FileNotFoundError) and str(file) in str(error):
        return f'config {file} does not exist'
    inside = calls[last + 1] if last + 1 < len(calls) else None
    line = f'line {inside.line}: ' if inside is not None and inside.name == '<module>' else ''
    cause = error.__cause__ if isinstance(error, ImportError) else None
    why = f' ({reason(cause)})' if cause is not None else ''
    return f'config {file} cannot be loaded: {line}{reason(error)}{why}'


def _checkpoint(error: Exception, calls: Sequence[Call]) -> str | None:
    """A checkpoint that cannot be read, or lacks what resuming needs."""
    loaders = CheckpointLoader.load_checkpoint, Runner.load_checkpoint
    call = next((c for c in reversed(calls) if c.is_of(*loaders)), None)
    if call is not None and only_framework_after(call, calls):
        file = call.local('filename')
        if isinstance(error, FileNotFoundError):
            named = '' if file else ', which last_checkpoint of the work folder may have named'
            return f'checkpoint {file or repr(file)} does not exist{named}'
        return (
            f'checkpoint {file} cannot be read; it may be cut short, empty or no checkpoint: '
            f'{reason(error)}'
        )
    # The decorator of ``resume`` is beside it in the traceback, and has no such local.
    resume = next((c for c in reversed(calls) if _is_method(c, 'resume')), None)
    if resume is None or not only_framework_after(resume, calls):
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
    if not joins or not only_framework_after(joins[-1], calls):
        return None
    return f'the processes of --launcher cannot join each other: {reason(error)}'


def _files(error: Exception, calls: Sequence[Call]) -> str | None:
    """What the file system refuses: no right, no space, a file in the place of a folder."""
    if not isinstance(error, OSError):
        return None
    if error.errno == errno.ENOENT and calls[-1].name in ('mkdir', 'makedirs'):
        return f'folder {error.filename} cannot be made: {error.strerror}'
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


def _backend(error: Exception, calls: Sequence[Call]) -> str | None:
    """An address of a store that cannot be asked: an unknown kind, or its client is missing."""
    call = next((c for c in reversed(calls) if c.is_of(get_file_backend)), None)
    if call is None or not only_framework_after(call, calls) or not isinstance(error, _REFUSALS):
        return None
    address = str(call.local('uri'))
    if '://' not in address:
        return None
    unknown = isinstance(error, KeyError) and calls[-1].name == '_get_file_backend'
    why = f'mmengine knows no store {error.args[0]!r}' if unknown else reason(error)
    return f'{address} cannot be reached: {why}'


def _lookup(error: Exception, calls: Sequence[Call]) -> str | None:
    """A key that a config does not have."""
    if not isinstance(error, (KeyError, AttributeError)) or not _is_of_config(calls[-1]):
        return None
    if calls[-1].name not in ('__missing__', '__getattr__', '__getitem__'):
        return None
    found = re.search(r"no attribute '(\w+)'", str(error))
    key = found.group(1) if found else error.args[0]
    asker = next((c for c in reversed(calls) if c.module.split('.')[0] not in _LOOKUPS), calls[0])
    by = '' if asker.module in _SCRIPTS else f', which {asker} asks for'
    return f'{_named(calls)} has no key {key!r}{_where(calls)}{by}'


def _annotations(error: Exception, calls: Sequence[Call]) -> str | None:
    """An annotation file that pycocotools cannot read."""
    call = next((c for c in calls if c.module == 'pycocotools.coco'), None)
    file = call.local('annotation_file') if call is not None else None
    if file is None or isinstance(error, FileNotFoundError):
        return None
    return f'annotation file {file} cannot be read: {reason(error)}'


def _building(error: Exception, calls: Sequence[Call]) -> str | None:
    """Settings that the framework refuses while it builds from them."""
    call = next((c for c in reversed(calls) if c.is_of(build_from_cfg) or _builds(c)), None)
    if call is None or not isinstance(error, _REFUSALS):
        return None
    unexpected = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    misnamed = unexpected and unexpected.group(1) in (call.local('args') or {})
    if not misnamed and not only_framework_after(call, calls):
        return None
    sentence = f'{_named(calls)} cannot be used{_where(calls)}: '
    if call.is_of(Runner.__init__) and ' all None ' in str(error):
        together = [key for key in _TOGETHER if f'{key}=' in str(error)]
        lacking = [key for key in together if call.local(key) is None]
        missing = ', '.join(lacking)
        return f'{sentence}{", ".join(together)} belong together, but {missing} is not there'
    if 'None is not a callable object' in str(error):  # what inspect says of an unknown optimizer
        return f'{sentence}there is no optimizer of type {_optimizer_type(calls)!r}'
    at = '' if calls[-1] is call else f', says {calls[-1]}'
    return f'{sentence}{reason(error)}{at}'


def _script(error: Exception, calls: Sequence[Call]) -> str | None:
    """What MMDetection's scripts and mmengine's runner themselves refuse."""
    refused = isinstance(error, (*_REFUSALS, RuntimeError))
    itself = (
        calls[-1].module in _SCRIPTS
        or calls[-1].is_of(trigger_visualization_hook)
        or any(_is_method(calls[-1], name) for name in ('train', 'val', 'test'))
    )
    return reason(error) if refused and itself else None


def _is_of_config(call: Call) -> bool:
    return call.module == 'mmengine.config.config'


def _is_method(call: Call, name: str) -> bool:
    return call.module == Runner.__module__ and call.name == name


def _builds(call: Call) -> bool:
    name = call.name
    return call.module == Runner.__module__ and (
        name in _RUNNER_BUILDS or name.startswith('build_')
    )


def _named(calls: Sequence[Call]) -> str:
    """The config that is at work, with its file where it is known."""
    configs = (c for call in calls for c in call.frame.f_locals.values() if isinstance(c, Config))
    file = next((config.filename for config in configs if config.filename), None)
    return f'config {file}' if file else 'the config'


def _where(calls: Sequence[Call]) -> str:
    """The settings that were being built from: their key or types, outer ones first."""
    names, loop = [], ''
    for call in calls:
        if call.module == Runner.__module__ and re.fullmatch(
            'build_(train|val|test)_loop', call.name
        ):
            loop = call.name.split('_')[1]
        elif _is_method(call, 'build_dataloader'):
            names = [f'{loop}_dataloader']
        elif call.is_of(build_from_cfg):
            kind = call.local('obj_type') or (call.local('cfg') or {}).get('type')
            names.append(str(getattr(kind, '__name__', kind)))
    return f', in {" > ".join(names)}' if names else ''


def _optimizer_type(calls: Sequence[Call]) -> str | None:
    constructors = (call.local('self') for call in calls)
    settings = (getattr(c, 'optimizer_cfg', None) for c in constructors)
    return next((found.get('type') for found in settings if found), None)
