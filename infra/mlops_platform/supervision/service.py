"""A process that outlives whoever started it: started once, adopted after a crash, repaired, removed.

Its folder holds its log, its record and all that it writes, since that is also its working directory.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from mlops_platform.errors import PlatformError
from mlops_platform.supervision import marks, ports, record
from mlops_platform.supervision.lock import exclusive

MAIN_PORT = "http"
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
_START_TOLERANCE = 2.0  # seconds; the system derives start times from a clock that may be corrected
_POLL_SECONDS = 0.1
_REMOVAL_GRACE = 3.0  # seconds; what it would still save is about to be deleted
_LOG_LINES, _LOG_WIDTH = 15, 300


@dataclass(frozen=True)
class Check:
    """One sign that a process is ready: this path on this port answers 200, with this text in the answer."""

    port: str
    path: str
    text: str = ""


@dataclass(frozen=True)
class Service:
    """What to run.

    Attributes:
        home: the environment's folder, absolute.
        name: of the process, and of its folder in `home`.
        command: program and arguments; `{port.NAME}` stands for a port.
        ports: name → port on loopback, 0 for any free one; "http" is the one that others use.
        fixed_distances: name of a further port → the port that it lies above, and by how much.
        environment: variables beside the few that every process gets from the caller; `{port.NAME}` as in `command`.
        version: of the program; a new one means a restart.
        ready: what tells that the process is ready, all of it.
        ready_seconds: how long that may take.
        residue: files outside the folder that a killed process leaves behind; `{port.NAME}` as in `command`.
    """

    home: Path
    name: str
    command: tuple[str, ...]
    ports: Mapping[str, int]
    environment: Mapping[str, str]
    version: str
    ready: tuple[Check, ...]
    ready_seconds: float
    fixed_distances: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    residue: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Everything that the process writes."""
        return self.home / self.name

    @property
    def log(self) -> Path:
        """Its output."""
        return self.folder / f"{self.name}.log"

    @property
    def fingerprint(self) -> str:
        """A hash of all that a running process can't change: two services with the same one are interchangeable."""
        ports = [sorted(self.ports.items()), sorted(self.fixed_distances.items())]
        parts = [self.command, ports, sorted(self.environment.items()), self.version]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def ensure(service: Service, previous_ports: Mapping[str, int]) -> record.Record:
    """Have exactly one process of this service running and ready; one that is already there is kept if it is the same.

    Args:
        service: what to run.
        previous_ports: ports of an earlier run, taken again where possible.

    Raises:
        PlatformError: it doesn't get ready, or a port is busy; then nothing of it is running.
    """
    with exclusive(service.folder):
        recorded = record.load(service.folder)
        if (
            recorded
            and recorded.fingerprint == service.fingerprint
            and _is_running(service.home, service.name, recorded)
        ):
            try:
                _wait_until_ready(service, recorded, lambda: _is_running(service.home, service.name, recorded), 0)
            except PlatformError:
                pass  # it lives but doesn't work: a new one shall
            else:
                return recorded
        known_ports = {**previous_ports, **(recorded.ports if recorded else {})}
        try:
            # Before the old process is stopped: a setting that can't be met shall not cost the one that works.
            ports.require_free(set(service.ports.values()) - {0} - set(known_ports.values()), service.name)
            marks.stop(service.home, service.name)
            _clear_residue(service.residue, known_ports)
            chosen = ports.assign(service.ports, service.fixed_distances, known_ports, service.name)
        except PlatformError:
            with contextlib.suppress(OSError):  # not empty: it has data
                service.folder.rmdir()
            raise
        try:
            return _start(service, chosen)
        except PlatformError:
            if all(ports.is_free(port) for port in chosen.values()):
                raise
        # Somebody took one of them after it was found free.
        return _start(service, ports.assign(service.ports, service.fixed_distances, known_ports, service.name))


def running(home: Path, name: str) -> record.Record | None:
    """The recorded process of this name, if that very process lives."""
    recorded = record.load(home / name)
    return recorded if recorded and _is_running(home, name, recorded) else None


def remove(home: Path, name: str, residue: Sequence[str] = ()) -> None:
    """Stop a process, if it runs, and delete its folder with all it has written.

    Raises:
        PlatformError: it doesn't stop, or the folder can't be deleted.
    """
    folder = home / name
    if not folder.exists():
        marks.stop(home, name, grace=_REMOVAL_GRACE)
        return
    with exclusive(folder):
        recorded = record.load(folder)
        marks.stop(home, name, grace=_REMOVAL_GRACE)
        _clear_residue(residue, recorded.ports if recorded else {})
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise PlatformError(
                f"The folder of {name} can't be deleted: {error}",
                f"Delete {folder} by hand, or give yourself the right to, and run the command again.",
            ) from error


def _is_running(home: Path, name: str, recorded: record.Record) -> bool:
    try:
        process = psutil.Process(recorded.pid) if recorded.pid else None
        return (
            process is not None
            and abs(process.create_time() - recorded.create_time) <= _START_TOLERANCE
            and marks.carries(process, home, name)
        )
    except psutil.Error:
        return False


def _start(service: Service, chosen: dict[str, int]) -> record.Record:
    # A record comes first: whoever finds the folder after a crash knows by it that it is ours.
    record.save(service.folder, record.Record(0, 0.0, chosen, service.fingerprint))
    inherited = {key: value for key in _PASSED_ON if (value := os.environ.get(key))}
    own = {key: _with_ports(value, chosen) for key, value in service.environment.items()}
    with service.log.open("ab") as log:
        log_start = log.tell()
        try:
            child = subprocess.Popen(
                [_with_ports(argument, chosen) for argument in service.command],
                cwd=service.folder,
                env={**inherited, **own, **marks.variables(service.home, service.name)},
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, umask=0o077,
            )  # fmt: skip
        except OSError as error:
            raise PlatformError(
                f"{service.name}: {service.command[0]} can't be started: {error}",
                "Install the project's dependencies again (`make setup`).",
            ) from error
    try:
        started = record.Record(child.pid, psutil.Process(child.pid).create_time(), chosen, service.fingerprint)
        record.save(service.folder, started)
        # Not by its mark: for its first instants the system shows a new process without any variables.
        _wait_until_ready(service, started, lambda: child.poll() is None, log_start)
    except BaseException:
        marks.stop(service.home, service.name, grace=5)
        child.kill()  # no harm if it has ended
        child.wait()
        raise
    child.returncode = 0  # it is no child to wait for: it stays when this program ends
    return started


def _wait_until_ready(service: Service, started: record.Record, is_alive: Callable[[], bool], log_start: int) -> None:
    deadline = time.monotonic() + service.ready_seconds
    while True:
        if not is_alive():
            raise _not_ready(service, "ended before it was ready", log_start)
        if all(_is_met(check, started.ports[check.port]) for check in service.ready):
            return
        if time.monotonic() > deadline:
            raise _not_ready(service, f"was not ready after {service.ready_seconds:.0f} s", log_start)
        time.sleep(_POLL_SECONDS)


def _is_met(check: Check, port: int) -> bool:
    connection = http.client.HTTPConnection(ports.LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", check.path)
        response = connection.getresponse()
        return response.status == http.client.OK and check.text.encode() in response.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _not_ready(service: Service, what: str, log_start: int) -> PlatformError:
    with service.log.open("rb") as log:
        log.seek(log_start)
        lines = log.read().decode(errors="replace").splitlines()[-_LOG_LINES:]
    tail = "\n".join(f"  | {line[:_LOG_WIDTH]}" for line in lines) or "  | (it wrote nothing)"
    return PlatformError(
        f"{service.name} {what}; it was stopped. The end of its log:\n{tail}",
        f"Correct what the log complains about and run the command again. All of it: {service.log}",
    )


def _with_ports(text: str, chosen: Mapping[str, int]) -> str:
    for name, port in chosen.items():
        text = text.replace(f"{{port.{name}}}", str(port))
    return text


def _clear_residue(residue: Sequence[str], chosen: Mapping[str, int]) -> None:
    for path in residue:
        Path(_with_ports(path, chosen)).unlink(missing_ok=True)
