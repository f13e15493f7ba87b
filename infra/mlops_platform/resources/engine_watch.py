"""Ends this plugin, and the language host beside it, when the engine that runs them is gone.

Pulumi tells its plugins to end, but a killed engine tells nobody anything. They would stay forever, and this one would
go on with what it was at while the next engine begins.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time

import psutil

from mlops_platform.supervision import marks

_POLL_SECONDS = 1.0


@functools.cache
def start() -> None:
    """Begin to watch, once a process. What is cut short is found and put right by the next `up` or `down`."""
    engine = _engine()
    if engine:
        threading.Thread(target=_watch, args=(engine,), daemon=True, name="engine-watch").start()


def _engine() -> psutil.Process | None:
    """The Pulumi command among the processes that this one runs under; the plugin's own script is between."""
    return next((parent for parent in psutil.Process().parents() if parent.name() == "pulumi"), None)


def _watch(engine: psutil.Process) -> None:
    others: list[psutil.Process] = []
    while marks.is_live(engine):
        with contextlib.suppress(psutil.Error):
            others = [child for child in engine.children() if child.name().startswith("pulumi-language")] or others
        time.sleep(_POLL_SECONDS)
    for other in others:
        with contextlib.suppress(psutil.Error):
            other.terminate()
    os._exit(1)
