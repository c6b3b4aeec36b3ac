"""Resuming and testing with a PyTorch whose ``torch.load`` allows known types only.

Since PyTorch 2.6 ``torch.load`` refuses, unless told otherwise, every type that is not on its list,
while mmengine saves its message hub, a store of ``HistoryBuffer`` and NumPy scalars, with the
model.
"""

import inspect
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.utils import digit_version

_PLAIN_DTYPES = '? b B h H i I l L q Q e f d'.split()


def allow_checkpoint_globals() -> None:
    """Allow the types that checkpoints of mmengine hold, and no others, to be loaded.

    Checkpoints of NumPy 1 and 2 name the same functions differently: both names are allowed under
    either. An older PyTorch, which loads everything, is left alone.
    """
    if digit_version(torch.__version__) < digit_version('2.6'):
        return
    # Taken from what they build, since their module is a private one and its name depends on the
    # version.
    builders = {'_reconstruct': np.empty(0).__reduce__()[0], 'scalar': np.float64().__reduce__()[0]}
    types = [HistoryBuffer, np.ndarray, np.dtype]
    types += {type(np.dtype(code)) for code in _PLAIN_DTYPES}
    torch.serialization.add_safe_globals(
        [
            # Types with their names: the maintained fork of mmengine allows some of them without a
            # name while it loads a file, and would forbid them afterwards for all.
            *((kind, f'{kind.__module__}.{kind.__qualname__}') for kind in types),
            *(
                (builder, f'{module}.{name}')
                for name, builder in builders.items()
                for module in ('numpy.core.multiarray', 'numpy._core.multiarray')
            ),
            (_history_buffer_method, 'builtins.getattr'),
        ]
    )


def _history_buffer_method(owner: Any, name: str) -> Callable:
    """What stands in for ``getattr`` in checkpoints: public methods of ``HistoryBuffer`` only.

    A ``HistoryBuffer`` is saved with references to its own methods, written as
    ``getattr(HistoryBuffer, name)``. ``getattr`` itself would let a file reach anything.
    """
    if owner is HistoryBuffer and not name.startswith('_'):
        method = inspect.getattr_static(owner, name, None)
        if inspect.isfunction(method):
            return method
    raise pickle.UnpicklingError(
        f'the checkpoint asks for {name!r} of {owner!r}, which checkpoints of mmengine do not hold'
    )
