"""The logs: JSON lines, written by a thread of its own so that no request waits for the disk.

Every process writes files of its own, named by when they were begun, process and number. Nothing is ever
appended to a file that an earlier process left behind, whose last line may be cut off. Services may share a
folder: whoever writes a file, sends or deletes it holds a lock on it.
"""

from __future__ import annotations

import contextlib
import fcntl
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
    from collections.abc import Iterator
    from pathlib import Path

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LogCounts:
    """Rows by what became of them since the start."""

    written: int
    dropped: int
    backlog: int


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[IO[bytes] | None]:
    """Give a file that nobody writes any more, and keep it from all others; None if it is in use, or went.

    A lock and not the process's number in the name: in containers that share a folder all numbers are 1.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it a moment ago may have deleted it.
            free = os.fstat(file.fileno()).st_nlink > 0
        except OSError:
            free = False
        yield file if free else None


class RotatingLog:
    """Appends rows to files in a folder, bounded in memory and on disk.

    Args:
        folder: where the files go; created when the first row is written.
        name: begins the files' names.
        file_bytes: size at which a new file begins.
        files: most files of this name in the folder, those of other processes included; the oldest that
            nobody has open are deleted.
        backlog_rows: most rows waiting in memory; further ones are dropped, and counted.
        file_seconds: age at which a new file begins. Files are then for uploading, and the rows of one that
            is deleted before are lost, and counted. None: files are read where they are, while they grow.
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
        self._number = 0
        self._file: IO[bytes] | None = None
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
        """Return how many rows are safe in a file; nothing that goes wrong ends the thread."""
        safe = 0
        try:
            for number, row in enumerate(rows, 1):
                file = self._file or self._open()
                file.write(to_json(row) + b"\n")
                if file.tell() >= self._file_bytes:
                    file.flush()
                    safe = number
                    self._close()
            if self._file is not None:
                self._file.flush()
        except Exception as error:  # noqa: BLE001, as above
            if not self._failing:
                LOGGER.error("the log in %s can't be written: %s", self._folder, error)  # noqa: TRY400
            self._failing = True
            self._close()
            return safe
        self._failing = False
        return len(rows)

    def _open(self) -> IO[bytes]:
        self._folder.mkdir(parents=True, exist_ok=True)
        while True:
            self._number += 1
            begun = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}Z"
            name = f"{self._name}-{begun}-{os.getpid()}-{self._number:06d}.jsonl"
            file = (self._folder / name).open("xb")
            fcntl.flock(file, fcntl.LOCK_EX)
            # Between these two steps another process may have taken it for one that was left behind.
            if os.fstat(file.fileno()).st_nlink > 0:
                break
            file.close()
        self._file = file
        self._begun = time.monotonic()
        self._make_room()
        return file

    def _make_room(self) -> None:
        paths = sorted(self._folder.glob(f"{self._name}-*.jsonl"))
        excess = len(paths) - self._files
        for path in paths:
            if excess <= 0:
                return
            with claimed(path) as file:
                if file is None:
                    continue
                lost = 0 if self._file_seconds is None else sum(1 for _ in file)
                path.unlink()
            excess -= 1
            if lost:
                LOGGER.error("%s: %d rows were deleted, not yet uploaded: the folder is full", path, lost)
                with self._changed:
                    self._dropped += lost

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        except OSError as error:
            LOGGER.error("the log's last lines are lost: %s", error)  # noqa: TRY400
