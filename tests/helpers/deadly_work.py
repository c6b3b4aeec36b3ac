"""Work that ends its process, for other processes to find by its name."""

import os
import signal
import time


def double_or_die(task):
    """Twice a number and the process's own, unless the task is to die, to exit or to sleep."""
    if task == 'die':
        os.kill(os.getpid(), signal.SIGKILL)
    if task == 'exit':
        os._exit(3)
    if task == 'sleep':
        time.sleep(600)
    return os.getpid(), task * 2
