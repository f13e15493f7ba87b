"""Where the state of an environment is: a folder beside the project, or a bucket that a team shares.

A bucket is recorded in Pulumi.<stack>.yaml, beside the key that opens the secrets in that state: one file, so that the
two never disagree.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from seedbed.environments import inventory
from seedbed.environments.project import Project
from seedbed.environments.stack_config import PROGRAM
from seedbed.errors import InfrastructureError, SpecError


class SpoiltStateError(InfrastructureError):
    """There is a state, and it can't be understood. Whatever it records may still run."""

    kind = "state-spoilt"


# The key of the stack's configuration that holds the URL; it is seedbed's, not the program's.
RECORD = "seedbed:state"


@dataclass(frozen=True)
class Lock:
    """The lock that an engine holds while it works.

    Attributes:
        path: of the lock, in the backend's own terms.
        pid: of the engine.
        host: that it runs on.
        user: who runs it.
        since: when it was taken, in seconds since 1970.
    """

    path: str
    pid: int
    host: str
    user: str
    since: float


class State(Protocol):
    """The state of one environment, read and tidied without the engine."""

    @property
    def name(self) -> str:
        """The environment's."""

    @property
    def url(self) -> str:
        """As PULUMI_BACKEND_URL takes it; empty for the folder that infra/Pulumi.yaml names."""

    def content(self) -> bytes | None:
        """The state as it is written there, secrets encrypted; None when there is none.

        Raises:
            SeedbedError: it can't be read, so that nothing is known of it.
        """

    def exists(self) -> bool:
        """Whether there is one; raises as `content`."""

    def locks(self) -> list[Lock]:
        """Those that engines hold, or left."""

    def unlock(self, lock: Lock) -> None:
        """Remove a lock."""

    def is_dead(self, lock: Lock) -> bool:
        """Whether the engine that took this lock provably runs no more."""

    def clean(self) -> None:
        """Remove what the engine leaves of a stack that it has removed: history and backups."""

    def remedy(self) -> str:
        """How an earlier state that was whole is brought back."""


@dataclass(frozen=True)
class LocalState:
    """A state in the project's own folder.

    Attributes:
        project: whose it is.
        name: the environment's.
    """

    project: Project
    name: str
    url: str = ""

    @property
    def folder(self) -> Path:
        """What Pulumi's file backend writes into."""
        return self.project.own_folder / "state" / ".pulumi"

    @property
    def file(self) -> Path:
        """The state itself."""
        return self.folder / "stacks" / PROGRAM / f"{self.name}.json"

    def content(self) -> bytes | None:
        """The file."""
        try:
            return self.file.read_bytes()
        except OSError:
            return None

    def exists(self) -> bool:
        """Whether the file is there."""
        return self.file.is_file()

    def locks(self) -> list[Lock]:
        """Those in the folder."""
        found = []
        for path in self.folder.glob(f"locks/**/{PROGRAM}/{self.name}/*.json"):
            try:
                content, since = path.read_bytes(), path.stat().st_mtime
            except OSError:  # gone meanwhile
                continue
            if lock := read_lock(str(path), content, since):
                found.append(lock)
        return found

    def unlock(self, lock: Lock) -> None:
        """Remove its file."""
        Path(lock.path).unlink(missing_ok=True)

    def is_dead(self, lock: Lock) -> bool:
        """The folder is on this machine, and so was every engine that wrote its host's name there."""
        return lock.host == socket.gethostname() and not inventory.is_running(lock.pid, lock.since)

    def clean(self) -> None:
        """Remove history, backups and locks."""
        for kind in ("history", "backups", "locks"):
            for folder in self.folder.glob(f"{kind}/**/{PROGRAM}/{self.name}"):
                shutil.rmtree(folder, ignore_errors=True)
        for leftover in self.file.parent.glob(f"{self.name}.json*"):
            leftover.unlink(missing_ok=True)

    def remedy(self) -> str:
        """The newest copy that the engine has kept and that is whole."""
        copies = [
            *self.file.parent.glob(f"{self.name}.json*.bak"),
            *self.folder.glob(f"backups/**/{PROGRAM}/{self.name}/{self.name}*.json"),
            *self.folder.glob(f"history/**/{PROGRAM}/{self.name}/{self.name}*.checkpoint.json"),
        ]
        for copy in sorted(copies, key=lambda path: path.stat().st_mtime, reverse=True):
            if _is_whole(copy):
                return (
                    f"The engine kept an earlier one: cp '{copy}' '{self.file}'; then `seedbed refresh {self.name}`"
                    " compares it with what really runs."
                )
        return f"Restore {self.file} from a backup of yours: no copy beside it is whole."


def latest(state: State, content: bytes | None) -> dict[str, Any]:
    """What a state says is there; without resources before anything was made, and when there is none.

    Args:
        state: whose it is.
        content: what `state.content()` gave.

    Raises:
        SpoiltStateError: it can't be understood. It is never taken for nothing.
    """
    if content is None:
        return {"resources": []}
    try:
        found = json.loads(content)["checkpoint"]["latest"] or {}
        return {**found, "resources": list(found.get("resources") or [])}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SpoiltStateError(
            f"The state of environment '{state.name}' is spoilt ({type(error).__name__}: {error}); nothing was changed",
            hint=state.remedy(),
        ) from error


def state_of(project: Project, name: str) -> State:
    """Where an environment's state is.

    Raises:
        SpecError: the URL on record is none of a bucket.
    """
    if not (url := recorded_url(project, name)):
        return LocalState(project, name)
    from seedbed.environments.aws.remote_state import RemoteState

    return RemoteState(project, name, url)


def _is_whole(copy: Path) -> bool:
    try:
        return bool(json.loads(copy.read_bytes())["checkpoint"]["latest"]["resources"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def stack_settings(project: Project, name: str) -> dict[str, Any]:
    """What Pulumi.<stack>.yaml says; nothing when there is no such file.

    Raises:
        SpecError: it is no YAML.
    """
    import yaml

    path = settings_file(project, name)
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} can't be read: {error}", hint="Restore it from the project's history.") from error
    return found if isinstance(found, dict) else {}


def write_settings(project: Project, name: str, content: dict[str, Any]) -> None:
    """Write Pulumi.<stack>.yaml, in one step.

    Every text is quoted: others read what isn't by rules of their own, and an account's number as a number.
    """
    import yaml

    class Quoted(yaml.SafeDumper):
        pass

    def quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if "\n" not in text else "|")

    def plain_keys(dumper: yaml.SafeDumper, mapping: dict[str, Any]) -> yaml.MappingNode:
        node = dumper.represent_mapping("tag:yaml.org,2002:map", mapping.items())
        for key, _ in node.value:
            key.style = None
        return node

    Quoted.add_representer(str, quoted)
    Quoted.add_representer(dict, plain_keys)
    path = settings_file(project, name)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    text = yaml.dump(content, Dumper=Quoted, sort_keys=False, width=10_000, allow_unicode=True)
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def settings_file(project: Project, name: str) -> Path:
    """Pulumi.<stack>.yaml."""
    return project.infra / f"Pulumi.{name}.yaml"


def recorded_url(project: Project, name: str) -> str:
    """The URL of the bucket on record; empty: the state is in the project's own folder."""
    return str((stack_settings(project, name).get("config") or {}).get(RECORD) or "")


def secrets_provider(project: Project, name: str) -> str:
    """What locks the secrets of an environment, such as "awskms:///…"; empty: a passphrase."""
    return str(stack_settings(project, name).get("secretsprovider") or "").removeprefix("passphrase")


def read_lock(path: str, content: bytes, since: float) -> Lock | None:
    """A lock as the engine writes it, or None when it can't be understood: then it is nobody's to break."""
    try:
        values = json.loads(content)
        return Lock(path, int(values["pid"]), str(values["hostname"]), str(values.get("username", "")), since)
    except (ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True)
class Runs:
    """The engines that were started from this checkout: the proof that a lock in a shared bucket is our own.

    A host's name proves nothing there: two containers, or two laptops, can have the same one.

    Attributes:
        folder: that has a file for each engine which may have left a lock.
    """

    folder: Path

    @classmethod
    def of(cls, project: Project, name: str) -> Runs:
        """Those of an environment."""
        return cls(project.own_folder / "runs" / name)

    def begin(self, pid: int) -> None:
        """Note an engine that was started."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / str(pid)).write_text(_machine(), encoding="utf-8")

    def end(self, pid: int) -> None:
        """Forget one that has done all that it was to do; one that failed may not have come to remove its lock."""
        (self.folder / str(pid)).unlink(missing_ok=True)

    def tidy(self, locks: Iterable[Lock]) -> None:
        """Forget those that run no more and hold none of these locks."""
        import psutil

        holders = {str(lock.pid) for lock in locks}
        for path in self.folder.glob("[0-9]*"):
            if path.name not in holders and not psutil.pid_exists(int(path.name)):
                path.unlink(missing_ok=True)

    def was_ours(self, lock: Lock) -> bool:
        """Whether the engine with this lock was started here, on this machine and since it was booted."""
        try:
            path = self.folder / str(lock.pid)
            return path.read_text(encoding="utf-8") == _machine() and lock.host == socket.gethostname()
        except OSError:
            return False


def _machine() -> str:
    """What tells this machine, since its last boot, and this container from others."""
    return "\n".join([socket.gethostname(), *_identities()])


def _identities() -> Iterator[str]:
    boot = Path("/proc/sys/kernel/random/boot_id")
    if boot.is_file():
        yield boot.read_text(encoding="utf-8").strip()
        yield str(Path("/proc/self/ns/pid").readlink())
    else:
        import psutil

        yield f"{psutil.boot_time():.0f}"
