"""Move an environment's state from the project's folder to a bucket that a team shares, so that nothing can be lost.

Until the new place is proven to hold the same, and to open without the old passphrase, nothing of the old one changes.
Then one file, Pulumi.<stack>.yaml, says where the state is and what opens it: written at once, or not at all.
"""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seedbed import toolchain
from seedbed.environments import stack as stacks
from seedbed.environments.aws.remote_state import Address, RemoteState
from seedbed.environments.events import Recorder
from seedbed.environments.failures import explained
from seedbed.environments.operations import Progress
from seedbed.environments.project import Project
from seedbed.environments.stack_config import environment_of
from seedbed.environments.state import (
    RECORD,
    LocalState,
    Lock,
    State,
    latest,
    recorded_url,
    secrets_provider,
    stack_settings,
    state_of,
    write_settings,
)
from seedbed.environments.state_copy import Copy
from seedbed.errors import ConflictError, UsageError

_BACKUPS = "moved"


@dataclass(frozen=True)
class Moved:
    """Where an environment's state is, after the command.

    Attributes:
        environment: its name.
        url: of the bucket.
        secrets_provider: what locks its secrets; empty: the passphrase, as before.
        resources: how many the state records.
        made: what was made for it.
        backup: the file with the state as it was before; None when there was none to move.
    """

    environment: str
    url: str
    secrets_provider: str
    resources: int
    made: list[str]
    backup: Path | None

    def as_dict(self) -> dict[str, Any]:
        """The result as `--json` shows it."""
        return {**asdict(self), "backup": str(self.backup) if self.backup else ""}


@dataclass(frozen=True)
class Whereabouts:
    """Where an environment's state is.

    Attributes:
        environment: its name.
        url: as PULUMI_BACKEND_URL takes it.
        shared: whether it is in a bucket.
        secrets_provider: what locks its secrets; empty: the passphrase.
        resources: how many the state records.
        locks: of those who are changing the environment.
    """

    environment: str
    url: str
    shared: bool
    secrets_provider: str
    resources: int
    locks: list[Lock]

    def as_dict(self) -> dict[str, Any]:
        """The result as `--json` shows it."""
        return asdict(self)


def show(project: Project, name: str) -> Whereabouts:
    """Where a state is; nothing changes.

    Raises:
        SpecError: the spec has no such environment.
        InfrastructureError: the bucket can't be read.
    """
    environment_of(project.spec, name)
    state = state_of(project, name)
    url = state.url or f"file://{project.own_folder / 'state'}"
    provider = secrets_provider(project, name)
    return Whereabouts(name, url, bool(state.url), provider, _count(state, state.content()), state.locks())


def move(project: Project, name: str, progress: Progress, *, to: str = "") -> Moved:
    """Move a state; an environment that isn't up yet will begin there. What a killed run left unfinished, it finishes.

    Args:
        project: the project.
        name: the environment.
        progress: told about what happens.
        to: URL of an existing bucket; its secrets stay under the passphrase. Empty: a bucket and a key of the
            environment's AWS account, which are made as far as they are not there.

    Raises:
        UsageError: the environment can't have a shared state, or needs `to`.
        ConflictError: there is another state of that name, or somebody is changing the environment.
        InfrastructureError: a step failed; the state is where it was.
    """
    local, already = LocalState(project, name), recorded_url(project, name)
    url, provider, made = _target(project, name, progress, to)
    if already and already != url:
        raise ConflictError(
            f"The state of environment '{name}' is in {already} already; nothing was changed",
            hint=f"`seedbed state show {name}` says how to use it.",
        )
    remote = RemoteState(project, name, url)
    if already:
        return Moved(name, url, secrets_provider(project, name), _count(remote, remote.content()), made, _retire(local))
    cli = toolchain.obtain(progress.say)
    if not local.exists():
        if (there := remote.content()) is not None and _count(remote, there):
            progress.say(f"There is a state of '{name}' in the bucket already: using it")
        _record(project, name, {**stack_settings(project, name), **_locked_by(provider)}, url)
        return Moved(name, url, provider, _count(remote, there), made, None)
    stacks.break_dead_lock(project, name, progress.say)
    before = _movable(local, name)
    _require_room(remote, latest(local, before)["resources"], name)
    progress.say(f"Copying the state to {url}")
    with (
        tempfile.TemporaryDirectory(prefix="seedbed-move-") as folder,
        explained(name, Recorder("move", progress.step)),
    ):
        settings = Copy(project, name, Path(folder), cli, progress.say).transfer(url, provider)
    if local.content() != before or local.locks():
        raise ConflictError(
            f"Environment '{name}' was changed meanwhile; its state is where it was", hint="Run the command again."
        )
    _record(project, name, settings, url)
    return Moved(name, url, provider, _count(local, before), made, _retire(local))


def _target(project: Project, name: str, progress: Progress, to: str) -> tuple[str, str, list[str]]:
    """URL, secrets provider, and what was made."""
    environment = environment_of(project.spec, name)
    if environment.target == "local":
        raise UsageError(
            f"Environment '{name}' consists of processes on this machine, and its state belongs to them",
            hint="Only an environment that others reach too can have a state that others share.",
        )
    if to:
        Address.parse(to)
        return to, "", []
    if environment.target != "aws":
        raise UsageError(
            f"Environment '{name}' is not on AWS, so there is no account to make a bucket in",
            hint=f"Name one that exists: seedbed state move {name} --to 's3://BUCKET?region=REGION'",
        )
    from seedbed.environments.aws import account, state_store

    progress.say(f"Preparing bucket and key in account {environment.account}, {environment.region}")
    connected = account.connect(environment.account, environment.region)
    store = state_store.prepare(connected, project.spec.slug, progress.say)
    return store.url, store.secrets_provider, store.made


def _movable(local: LocalState, name: str) -> bytes | None:
    """The state, if nobody is at work on it and no run left it half-way."""
    if locks := local.locks():
        holders = ", ".join(f"{lock.user}@{lock.host} (process {lock.pid})" for lock in locks)
        raise ConflictError(f"Somebody is changing environment '{name}': {holders}", hint="Wait for them.")
    content = local.content()
    if latest(local, content).get("pending_operations"):
        raise ConflictError(
            f"A run of environment '{name}' was killed, and its state says that something was just being made",
            hint=f"Finish it first: `seedbed refresh {name}`, then `seedbed up {name}`. Moving would forget it.",
        )
    return content


def _require_room(remote: RemoteState, mine: list[dict[str, Any]], name: str) -> None:
    """What is there must be nothing, or what an earlier try brought."""
    theirs = latest(remote, remote.content())["resources"]
    if theirs and {r["urn"]: r.get("id") for r in theirs} != {r["urn"]: r.get("id") for r in mine}:
        raise ConflictError(
            f"There is another state of environment '{name}' in {remote.url}, with {len(theirs)} resources;"
            " nothing was changed",
            hint="It may be a colleague's: take this one down first, or rename the environment.",
        )


def _record(project: Project, name: str, settings: dict[str, Any], url: str) -> None:
    """Say in Pulumi.<stack>.yaml where the state is."""
    write_settings(project, name, {**settings, "config": {**(settings.get("config") or {}), RECORD: url}})


def _locked_by(provider: str) -> dict[str, str]:
    return {"secretsprovider": provider} if provider else {}


def _retire(local: LocalState) -> Path | None:
    """Keep the old state as a file, out of Pulumi's sight; None when there is none."""
    if not local.exists():
        return None
    folder = local.project.own_folder / _BACKUPS
    folder.mkdir(parents=True, exist_ok=True)
    numbered = (folder / f"{local.name}-{number}.json" for number in itertools.count(1))
    backup = next(path for path in numbered if not path.exists())
    local.file.replace(backup)
    local.clean()
    return backup


def _count(state: State, content: bytes | None) -> int:
    return len(stacks.real(latest(state, content)["resources"]))
