"""One writer at a time for the folder of a process.

Pulumi's own lock keeps two engines apart. This one keeps a new engine apart from what a killed one has left at work.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops_platform.errors import PlatformError

_POLL_SECONDS = 0.1


@contextmanager
def exclusive(folder: Path, *, seconds: float = 180.0) -> Iterator[None]:
    """Make the folder if need be, and hold it. The system lets go of it when the process ends, however it ends.

    Args:
        folder: what to hold; its parents are made too.
        seconds: how long to wait for another holder.

    Raises:
        PlatformError: another process holds it for longer than that.
    """
    deadline = time.monotonic() + seconds
    while True:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            if _take(descriptor) and _is_same(descriptor, folder):
                yield
                return
        finally:
            os.close(descriptor)
        if time.monotonic() > deadline:
            raise PlatformError(
                f"Another process has been at work in {folder} for {seconds:.0f} s",
                f"Wait for it and run the command again. `fuser {folder}` names it if it hangs.",
            )
        time.sleep(_POLL_SECONDS)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_same(descriptor: int, folder: Path) -> bool:
    """Whether the folder is still the one that was opened: the last holder may have removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), folder.stat())
    except FileNotFoundError:
        return False
