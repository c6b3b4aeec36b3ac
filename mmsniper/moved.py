"""The names that modules had before they moved, which configs and scripts of users may hold."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    'mmsniper.utils.stage_configs': 'mmsniper.conversion.stage_configs',
    'mmsniper.benchmarks.claims': 'mmsniper.utils.claim',  # before the package that it was in
    'mmsniper.benchmarks': 'mmsniper.experiments.benchmarks',
    'mmsniper.generation': 'mmsniper.experiments.generation',
    'mmsniper.zoo': 'mmsniper.experiments.zoo',
    'mmsniper.evaluation.geometry': 'mmsniper.merging.geometry',
    'mmsniper.evaluation.masks': 'mmsniper.merging.masks',
    'mmsniper.evaluation.merging': 'mmsniper.merging.instances',
    'mmsniper.evaluation.rle': 'mmsniper.merging.rle',
}


class _MovedModules(MetaPathFinder, Loader):
    """Imports a moved module, or one inside of it, as what it is now: one module of two names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if _new_name(fullname) else None

    def exec_module(self, module: ModuleType) -> None:
        # The import system goes on with what is under the name once this returns.
        sys.modules[module.__name__] = importlib.import_module(_new_name(module.__name__))


def follow_moved_modules() -> None:
    """Let ``import`` find modules of mmsniper 0.1 where they are now."""
    if not any(isinstance(finder, _MovedModules) for finder in sys.meta_path):
        # First, because a moved package would find its modules once more under the old name.
        sys.meta_path.insert(0, _MovedModules())


def _new_name(fullname: str) -> str | None:
    for old, new in MOVED.items():
        if fullname == old or fullname.startswith(f'{old}.'):
            return new + fullname[len(old) :]
    return None
