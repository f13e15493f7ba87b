"""Put a rendered project in its place, whole or not at all.

Files are written into a staging folder beside the destination and moved there by one rename. A process that dies
in between leaves that folder, marked with its owner; the next run in the same place removes it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from seedbed.errors import ConflictError
from seedbed.signals import termination_as_interrupt

_PREFIX = ".seedbed-staging-"
_OWNER = "owner"


@contextlib.contextmanager
def staged(destination: Path) -> Iterator[Path]:
    """Give an empty folder to fill; it becomes `destination` when the block ends without an exception.

    Raises:
        ConflictError: the destination can't be made there, or holds something; nothing was changed.
    """
    check_free(destination)
    parent = destination.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(parent)
        staging = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    except OSError as error:
        raise ConflictError(f"Nothing can be written in {parent}: {error.strerror}") from error
    try:
        with termination_as_interrupt():
            (staging / _OWNER).write_text(_owner(os.getpid()))
            tree = staging / "tree"
            tree.mkdir()
            yield tree
            check_free(destination)
            tree.rename(destination)
    except OSError as error:
        raise ConflictError(f"The project could not be written: {error}", hint="Nothing was left behind.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def check_free(destination: Path) -> None:
    """Refuse a destination that holds anything, or that leads elsewhere.

    Raises:
        ConflictError: with what is in the way.
    """
    if destination.is_symlink():
        raise ConflictError(f"{destination} is a symbolic link", hint="Name the folder that it points to.")
    if destination.is_dir():
        if entry := next(destination.iterdir(), None):
            raise ConflictError(
                f"{destination} exists and is not empty (it holds {entry.name})",
                hint="Choose another folder: `seedbed new OTHER`. Nothing was changed.",
            )
    elif destination.exists():
        raise ConflictError(f"{destination} exists and is a file", hint="Choose another folder. Nothing was changed.")


def _remove_abandoned(parent: Path) -> None:
    for staging in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            owner = (staging / _OWNER).read_text()
            if owner and owner != _owner(int(owner.split()[0])):
                shutil.rmtree(staging)


def _owner(pid: int) -> str:
    """A process's number and start time: a number alone may have been given to another process since."""
    import psutil

    try:
        return f"{pid} {psutil.Process(pid).create_time()}"
    except psutil.NoSuchProcess:
        return ""
