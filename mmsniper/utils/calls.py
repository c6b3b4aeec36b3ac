"""The calls that an exception passed through, as its traceback has them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NamedTuple

#: Packages whose code is neither this project's nor its user's.
_FRAMEWORK = {
    *('mmengine', 'mmcv', 'mmdet', 'torch', 'numpy', 'pycocotools', 'addict', 'cv2'),
    *getattr(sys, 'stdlib_module_names', ('json', 'pickle', 'importlib', 'contextlib')),
}


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

    @property
    def is_ours(self) -> bool:
        return self.module.split('.')[0] == 'mmsniper'

    def is_of(self, *functions: object) -> bool:
        """Whether it is a call of one of these functions."""
        functions = (getattr(function, '__func__', function) for function in functions)
        return any(self.frame.f_code is getattr(f, '__code__', None) for f in functions)

    def local(self, name: str) -> object:
        return self.frame.f_locals.get(name)

    def __str__(self) -> str:
        return f'{os.path.basename(self.frame.f_code.co_filename)}:{self.line} ({self.name})'


def calls_of(error: BaseException) -> list[Call]:
    """The calls that an exception passed through, the innermost last."""
    calls, entry = [], error.__traceback__
    while entry is not None:
        calls.append(Call(entry.tb_frame, entry.tb_lineno))
        entry = entry.tb_next
    return calls


def only_framework_after(call: Call, calls: Sequence[Call]) -> bool:
    """Whether all that was called from a call on belongs to the framework."""
    start = next(i for i, other in enumerate(calls) if other is call)
    return all(other.is_framework for other in calls[start + 1 :])
