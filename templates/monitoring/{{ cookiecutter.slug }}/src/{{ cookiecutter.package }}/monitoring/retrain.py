"""Training anew because the model became worse: one training at a time, and not twice for the same alert."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Literal

from {{ cookiecutter.package }}.pipelines import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

LOGGER = logging.getLogger(__name__)
COMMAND = (sys.executable, "-m", __package__, "retrain")
NOTHING_NEW = 4
"""The exit code of a command that had nothing new to train on."""
LIMIT_SECONDS = settings.RUN_SECONDS + 3600.0  # a run of the pipeline is ended before that
Answer = Literal["started", "running", "repeated", "failed"]


class Retrainer:
    """Runs a command for alerts, without a shell, in a process of its own.

    Args:
        command: the program and its arguments.
        cooldown_seconds: from a start for an alert to the next for the same one, restarts of the monitor
            included.
        state: file that remembers the starts.
        on_end: told the exit code of each command that ended, in a thread of its own.
        limit_seconds: after which a command is ended.
    """

    def __init__(
        self,
        command: Sequence[str],
        cooldown_seconds: float,
        state: Path,
        on_end: Callable[[int], None] = lambda _: None,
        limit_seconds: float = LIMIT_SECONDS,
    ) -> None:
        self._command = list(command)
        self._cooldown_seconds = cooldown_seconds
        self._state = state
        self._on_end = on_end
        self._limit_seconds = limit_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the command runs now."""
        return self._process is not None

    def start(self, alerts: Iterable[str]) -> Answer:
        """Start the command for alerts, unless it runs, or ran for each of them a short while ago.

        Args:
            alerts: their fingerprints: what stays the same while an alert is repeated.

        Returns:
            What became of it; "failed" if the program can't be run.
        """
        with self._lock:
            if self.running:
                return "running"
            now = time.time()
            recent = {alert: at for alert, at in self._starts().items() if now - at < self._cooldown_seconds}
            wanted = set(alerts)
            if wanted <= recent.keys():
                return "repeated"
            LOGGER.warning("running %s", self._command)
            try:
                # A session of its own, so that stopping reaches what the command itself started.
                process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603, the operator's command
            except OSError as error:
                LOGGER.error("retraining could not be started: %s", error)  # noqa: TRY400
                return "failed"
            self._process = process
            self._remember(recent | dict.fromkeys(wanted, now))
        threading.Thread(target=self._watch, args=(process,), name="retraining", daemon=True).start()
        return "started"

    def stop(self, timeout_seconds: float = 10.0) -> None:
        """End a running command, by force when it doesn't listen."""
        process = self._process
        if process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, number)
                process.wait(timeout_seconds)
                break

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        try:
            code = process.wait(self._limit_seconds)
        except subprocess.TimeoutExpired:
            LOGGER.error("%s is ended: it ran for %.0f s", self._command, self._limit_seconds)  # noqa: TRY400
            self.stop()
            code = process.wait()
        done = code in {0, NOTHING_NEW}
        LOGGER.log(logging.INFO if done else logging.ERROR, "%s ended with %d", self._command, code)
        self._process = None
        self._on_end(code)

    def _starts(self) -> dict[str, float]:
        try:
            content: dict[str, Any] = json.loads(self._state.read_text(encoding="utf-8"))
            return {alert: float(at) for alert, at in content.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def _remember(self, starts: dict[str, float]) -> None:
        try:
            self._state.parent.mkdir(parents=True, exist_ok=True)
            self._state.write_text(json.dumps(starts), encoding="utf-8")
        except OSError as error:
            LOGGER.error("a restart will forget this retraining: %s", error)  # noqa: TRY400
