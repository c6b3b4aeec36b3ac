"""Warnings of the packages below us that nobody who uses them can do anything about."""

from __future__ import annotations

import warnings

_MM = r'mm(engine|cv|det)\b'

#: Message, category and module, the first and the last as regular expressions for their beginning.
FOREIGN_WARNINGS = (
    # mmengine looks for installed packages through it, for each `mmdet::` base.
    ('pkg_resources is deprecated', UserWarning, rf'({_MM}|mim\b|pkg_resources|importlib)'),
    (r'torch\.meshgrid: in an upcoming release', UserWarning, r'torch\.functional'),
    (r'`torch\.c(uda|pu)\.amp\.', FutureWarning, _MM),
    (r'You are using `torch\.load` with `weights_only=False`', FutureWarning, _MM),
    ('To copy construct from a tensor', UserWarning, _MM),
    # Configs of MMDetection ask for pinned memory, which is of no use without an accelerator.
    ("'pin_memory' argument is set as true but no accelerator", UserWarning, r'torch\.utils\.data'),
    # A second run in one process shares the first one's visualizer, as it should.
    (
        r'<class .*> instance named of \S+ has been created',
        UserWarning,
        r'mmengine\.utils\.manager',
    ),
    # The fork of MMDetection on import.
    ('faster_coco_eval is not installed', UserWarning, _MM),
    # Drawing objects that reach over the border of a picture.
    (r'Warning: The (bbox|polygon|circle|line|text) is out of bounds', UserWarning, _MM),
)


def ignore_foreign_warnings() -> None:
    """Ignore these warnings, and no others.

    The filters come after all that are there, so that whoever asks for a warning, as with
    ``python -W``, is shown it.
    """
    for message, category, module in FOREIGN_WARNINGS:
        warnings.filterwarnings('ignore', message, category, module, append=True)
