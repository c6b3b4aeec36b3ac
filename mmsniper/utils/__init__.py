"""What scripts and the import of the package need: errors, files, configs, checkpoints."""

from .json_file import write_json
from .script import run_script

__all__ = ['run_script', 'write_json']
