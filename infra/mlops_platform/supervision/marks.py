"""Which processes belong to an environment.

Every process is started with the environment's folder and its own name among its environment variables, and all its
children inherit them. That is the one thing which survives a crash of whoever started it, and which no other process
that happens to get the same number can have.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import psutil

from mlops_platform.errors import PlatformError

HOME_VARIABLE = "SEEDBED_HOME"
NAME_VARIABLE = "SEEDBED_PROCESS"
_KILL_SECONDS = 5.0
_POLL_SECONDS = 0.05
_ROUNDS = 5


def variables(home: Path, name: str) -> dict[str, str]:
    """The environment variables that mark a process and its children."""
    return {HOME_VARIABLE: str(home), NAME_VARIABLE: name}


def carries(process: psutil.Process, home: Path, name: str | None = None) -> bool:
    """Whether a live process has the mark of this environment; of one of its processes, if `name` is given."""
    try:
        environment = process.environ()
        return (
            environment.get(HOME_VARIABLE) == str(home)
            and NAME_VARIABLE in environment
            and name in {None, environment[NAME_VARIABLE]}
            and is_live(process)
        )
    except (psutil.Error, OSError):  # another user's, or gone meanwhile
        return False


def is_live(process: psutil.Process) -> bool:
    """Whether it runs; a zombie doesn't, it only waits for its parent to take notice."""
    try:
        if not process.is_running():
            return False
        # A zombie with threads left is still ending: its files and ports are not free yet.
        return process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1
    except psutil.NoSuchProcess:
        return False


def find(home: Path, name: str | None = None) -> list[psutil.Process]:
    """All live processes with this mark, but for the one that asks and those it runs under."""
    psutil.process_iter.cache_clear()  # it keeps who had a number at its last look, and takes its heir for dead
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [process for process in psutil.process_iter() if process.pid not in own and carries(process, home, name)]


def stop(home: Path, name: str | None = None, *, grace: float = 20.0) -> None:
    """Stop all processes with this mark: SIGTERM, then SIGKILL for those that are still there.

    Args:
        home: the environment's folder.
        name: one of its processes; None means all of them.
        grace: seconds between the two signals.

    Raises:
        PlatformError: some can't be stopped.
    """
    for _ in range(_ROUNDS):  # what a process starts while it is being stopped is found in the next round
        found = find(home, name)
        if not found:
            return
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.terminate()
        for process in _wait(found, grace):
            with contextlib.suppress(psutil.Error):
                process.kill()
        _wait(found, _KILL_SECONDS)
    left = find(home, name)
    if left:
        raise PlatformError(
            "Processes of the environment don't stop: " + ", ".join(str(process.pid) for process in left),
            "See what they wait for (`ps -o pid,stat,wchan,cmd -p PID`), end them, and run the command again.",
        )


def _wait(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that still live after that time at most. `psutil.wait_procs` would wait for zombies too."""
    deadline = time.monotonic() + seconds
    while (alive := [process for process in processes if is_live(process)]) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return alive
