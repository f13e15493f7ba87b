"""Brings complete log files to the object store, by a thread of its own."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING

from {{ cookiecutter.package }}.errors import StoreError

from .log import claimed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .s3_folder import S3Folder

LOGGER = logging.getLogger(__name__)
PAUSE_SECONDS = 1.0
SLOWEST_RETRY_SECONDS = 60.0


class Uploads:
    """Moves every complete file of a folder to the store; what can't be sent stays until it can.

    Args:
        folder: where the logs are written; also holds what an earlier process could not send.
        store: where the files go.
        failed: called at each failure.
    """

    def __init__(self, folder: Path, store: S3Folder, failed: Callable[[], None]) -> None:
        self._folder = folder
        self._store = store
        self._failed = failed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-uploads", daemon=True)

    def start(self) -> None:
        """Begin, with what earlier processes left."""
        self._thread.start()

    def stop(self, timeout_seconds: float = 20.0) -> None:
        """Send what is complete; after the time leave the rest to the next process."""
        self._stopping.set()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.wait(min(PAUSE_SECONDS * 2 ** min(failures, 10), SLOWEST_RETRY_SECONDS)):
            failures = 0 if self._send_all(quiet=failures > 0) else failures + 1
        self._send_all(quiet=False)

    def _send_all(self, *, quiet: bool) -> bool:
        """Whether everything that is complete was sent; nothing that goes wrong ends the thread."""
        sent = True
        for path in sorted(self._folder.glob("*.jsonl")):
            try:
                self._send(path)
            except Exception as error:  # noqa: BLE001, as above
                if not path.exists():  # somebody took it away meanwhile
                    continue
                sent = False
                self._failed()
                if not quiet:
                    LOGGER.error("%s could not be sent, and is kept: %s", path.name, error)  # noqa: TRY400
                if isinstance(error, StoreError):  # further files would only wait for the same store
                    break
        return sent

    def _send(self, path: Path) -> None:
        """Send a file and delete it, unless somebody writes it, sends it or has deleted it."""
        with claimed(path) as file:
            if file is None:
                return
            # A process that died as it began a file has left it empty.
            if os.fstat(file.fileno()).st_size:
                self._store.put(path)
            path.unlink(missing_ok=True)
