"""What a process's folder says about the process that runs, or ran, in it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "process.json"


@dataclass(frozen=True)
class Record:
    """One run of a process.

    Attributes:
        pid: its number; 0 before it is started.
        create_time: when the system started it, seconds since 1970.
        ports: name → port on loopback.
        fingerprint: of everything that it was started with.
    """

    pid: int
    create_time: float
    ports: dict[str, int]
    fingerprint: str


def load(folder: Path) -> Record | None:
    """The record in a folder; None if there is none that can be read, as after a full disk."""
    try:
        return Record(**json.loads((folder / FILE_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def save(folder: Path, record: Record) -> None:
    """Write the record, as a whole or not at all."""
    temporary = folder / f"{FILE_NAME}.new"
    temporary.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    temporary.replace(folder / FILE_NAME)
