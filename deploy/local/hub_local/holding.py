"""Who holds a stack's directory: one process at a time, until it ends."""

import fcntl
import os
from typing import IO

from hub_local.faults import AlreadyRunningError
from hub_local.layout import Layout


def hold(layout: Layout) -> IO[str]:
    """Until the file is closed. Raises AlreadyRunningError where somebody has it."""
    lock = layout.lock.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise AlreadyRunningError(running_pid(layout) or 0) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def running_pid(layout: Layout) -> int | None:
    """The supervisor that holds the state directory now."""
    try:
        with layout.lock.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read() or 0)
    except FileNotFoundError:
        return None
    return None
