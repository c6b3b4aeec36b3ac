"""Running the scripts as a person does."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / 'tools'


def run(*command, cwd, **environment) -> subprocess.CompletedProcess:
    """Run a command with the tests' own Python, one thread and this checkout.

    Args:
        *command: The command and its arguments.
        cwd: The folder to run it in.
        **environment: Further environment variables.
    """
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', **environment}
    # The scripts take the `python` of the active environment.
    environment['PATH'] = f'{Path(sys.executable).parent}:{environment["PATH"]}'
    environment['PYTHONPATH'] = f'{ROOT}:{ROOT / "tests/helpers"}'
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1500,
    )
