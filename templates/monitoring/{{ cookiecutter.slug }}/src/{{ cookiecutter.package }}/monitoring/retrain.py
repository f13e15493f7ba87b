"""Starting a command when there is drift: one at a time, and not again before a pause is over."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LOGGER = logging.getLogger(__name__)


class Retrainer:
    """Runs a command, without a shell.

    Args:
        command: the program and its arguments.
        cooldown_seconds: from one start to the next, restarts of the monitor included.
        state: file that remembers the last start.
    """

    def __init__(self, command: Sequence[str], cooldown_seconds: float, state: Path) -> None:
        self._command = list(command)
        self._cooldown_seconds = cooldown_seconds
        self._state = state
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the command runs now."""
        return self._process is not None

    def start_if_due(self) -> bool:
        """Start the command unless it runs, or ran too recently.

        Returns:
            Whether it was started.

        Raises:
            OSError: the program can't be run.
        """
        if self.running or time.time() - self._last_start() < self._cooldown_seconds:
            return False
        self._state.parent.mkdir(parents=True, exist_ok=True)
        self._state.write_text(
            json.dumps({"started": time.time(), "command": self._command}), encoding="utf-8"
        )
        LOGGER.warning("drift: running %s", self._command)
        # A session of its own, so that stopping reaches what the command itself started.
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603, the operator's command
        return True

    def finished(self) -> int | None:
        """Return the exit code of a command that ended since the last call, else None."""
        code = None if self._process is None else self._process.poll()
        if code is not None:
            self._process = None
            LOGGER.log(logging.ERROR if code else logging.INFO, "%s ended with %d", self._command, code)
        return code

    def stop(self, timeout_seconds: float = 10.0) -> None:
        """End a running command, by force when it doesn't listen."""
        if self._process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
                self._process.wait(timeout_seconds)
                break
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self._process = None

    def _last_start(self) -> float:
        try:
            return float(json.loads(self._state.read_text(encoding="utf-8"))["started"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0.0
