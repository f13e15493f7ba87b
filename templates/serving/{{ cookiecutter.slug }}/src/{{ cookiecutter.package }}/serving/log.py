"""The logs: JSON lines, written by a thread of its own so that no request waits for the disk.

Every process writes files of its own, named by start time, process and number. Nothing is ever appended to a
file that an earlier process left behind, whose last line may be cut off.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from pydantic_core import to_json

if TYPE_CHECKING:
    from pathlib import Path

LOGGER = logging.getLogger(__name__)
OPEN = ".part"
"""Ends the name of a file that is to be uploaded, until it is complete."""


@dataclass(frozen=True, slots=True)
class LogCounts:
    """Rows by what became of them since the start."""

    written: int
    dropped: int
    backlog: int


class RotatingLog:
    """Appends rows to files in a folder, bounded in memory and on disk.

    Args:
        folder: where the files go; created when the first row is written.
        name: begins the files' names.
        file_bytes: size at which a new file begins.
        files: most files of this name in the folder, those of earlier processes included; the oldest are
            deleted.
        backlog_rows: most rows waiting in memory; further ones are dropped, and counted.
        file_seconds: age at which a new file begins. Files are then for uploading, and get their final
            name only when they are complete. None: files are read where they are, while they grow.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        file_bytes: int,
        files: int,
        backlog_rows: int,
        file_seconds: float | None = None,
    ) -> None:
        self._folder = folder
        self._file_bytes = file_bytes
        self._files = files
        self._backlog_rows = backlog_rows
        self._file_seconds = file_seconds
        self._name = name
        self._stem = f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}Z-{os.getpid()}"
        self._number = 0
        self._file: IO[bytes] | None = None
        self._path = folder
        self._begun = 0.0
        self._waiting: deque[dict[str, Any]] = deque()
        self._changed = threading.Condition()
        self._in_hand = 0
        self._written = 0
        self._dropped = 0
        self._failing = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"{name}-log", daemon=True)

    @property
    def counts(self) -> LogCounts:
        """Rows written, dropped and waiting."""
        with self._changed:
            return LogCounts(self._written, self._dropped, len(self._waiting) + self._in_hand)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def append(self, rows: list[dict[str, Any]]) -> None:
        """Hand rows over and return at once; those beyond the backlog's bound are dropped."""
        with self._changed:
            room = max(self._backlog_rows - len(self._waiting) - self._in_hand, 0)
            self._waiting.extend(rows[:room])
            self._dropped += len(rows[room:])
            self._changed.notify()

    def stop(self, timeout_seconds: float = 10.0) -> None:
        """Write what is waiting and close; after the time give up: a dead disk must not hold a process."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            LOGGER.error("%d rows could not be written in %.0f s", self.counts.backlog, timeout_seconds)

    def _run(self) -> None:
        stopping = False
        while not stopping:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping, self._seconds_left())
                rows = list(self._waiting)
                self._waiting.clear()
                self._in_hand = len(rows)
                stopping = self._stopping and not rows
            written = self._write(rows)
            with self._changed:
                self._in_hand = 0
                self._written += written
                self._dropped += len(rows) - written
            if self._seconds_left() == 0:
                self._close()
        self._close()

    def _seconds_left(self) -> float | None:
        """Return the time after which the open file is complete; None if there is no such time."""
        if self._file is None or self._file_seconds is None:
            return None
        return max(self._begun + self._file_seconds - time.monotonic(), 0)

    def _write(self, rows: list[dict[str, Any]]) -> int:
        """Return how many rows reached the file."""
        written = 0
        try:
            for row in rows:
                file = self._file or self._open()
                file.write(to_json(row) + b"\n")
                written += 1
                if file.tell() >= self._file_bytes:
                    self._close()
            if self._file is not None:
                self._file.flush()
        except OSError as error:
            if not self._failing:
                LOGGER.error("the log in %s can't be written: %s", self._folder, error)  # noqa: TRY400
            self._failing = True
            self._close()
            return 0
        self._failing = False
        return written

    def _open(self) -> IO[bytes]:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._number += 1
        self._path = self._folder / f"{self._stem}-{self._number:06d}.jsonl"
        self._file = self._open_path().open("xb")
        self._begun = time.monotonic()
        for path in sorted(self._folder.glob(f"{self._name}-*.jsonl*"))[: -self._files]:
            if self._file_seconds is not None:
                LOGGER.error("%s was deleted before it could be uploaded: the folder is full", path.name)
            path.unlink(missing_ok=True)
        return self._file

    def _open_path(self) -> Path:
        return self._path if self._file_seconds is None else self._path.with_name(self._path.name + OPEN)

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
            if self._file_seconds is not None:
                self._open_path().replace(self._path)
        except OSError as error:
            LOGGER.error("the log's last lines are lost: %s", error)  # noqa: TRY400
