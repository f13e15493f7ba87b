"""Ends this plugin when the engine that runs it is gone.

Pulumi tells a plugin to end, but a killed engine tells nobody anything. Its plugin would stay forever, and go on with
what it was at while the next engine begins.
"""

from __future__ import annotations

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
    while marks.is_live(engine):
        time.sleep(_POLL_SECONDS)
    os._exit(1)
