"""A bound on how long the engine may take, with a word on what it waits for."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from seedbed.environments.engine import Engine, StoppedError

# An object that is still being deleted after this long deserves a word, and so does each new one.
_FIRST_LOOK, _NEXT_LOOK = 60.0, 30.0
# From asking the engine to stop, to telling it, to ending it: its state is written in the first of these.
_GRACE = 45.0


class TimeIsUpError(Exception):
    """The engine was stopped because its time was over."""


class Watch:
    """Context manager around one command of the engine.

    Args:
        engine: that runs the command.
        seconds: how long it may take.
        look: names what it may be waiting for.
        say: told what that is, when it takes long.

    Raises:
        TimeIsUpError: on leaving, when the command was stopped for taking longer.
    """

    def __init__(self, engine: Any, seconds: float, look: Callable[[], list[str]], say: Callable[[str], None]) -> None:
        assert isinstance(engine, Engine)  # noqa: S101 - `open_stack` gives every workspace one
        self._engine, self._seconds, self._look, self._say = engine, seconds, look, say
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(_FIRST_LOOK)
        if isinstance(error, StoppedError):
            raise TimeIsUpError from error

    def blockers(self) -> list[str]:
        """What is waited for now; nothing when that can't be found out, for whatever reason: the clock runs on."""
        with contextlib.suppress(Exception):
            return self._look()
        return []

    def _watch(self) -> None:
        said: set[str] = set()
        end, pause = time.monotonic() + self._seconds, _FIRST_LOOK
        while not self._ended.wait(max(0.0, min(pause, end - time.monotonic()))):
            if time.monotonic() >= end:
                self._stop()
                return
            for blocker in self.blockers():
                if blocker not in said:
                    said.add(blocker)
                    self._say(f"Still being deleted: {blocker}")
            pause = _NEXT_LOOK

    def _stop(self) -> None:
        self._say("The time is over: stopping, what has begun is finished first")
        for _ in range(3):
            self._engine.stop()
            if self._ended.wait(_GRACE):
                return
