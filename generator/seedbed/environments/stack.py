"""An environment's Pulumi stack: where its state is, how its secrets are locked, which program runs it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedbed import toolchain
from seedbed.environments import inventory
from seedbed.environments.project import Project
from seedbed.environments.stack_config import CONFIG_KEYS, PROGRAM, environment_of, stack_config
from seedbed.errors import InfrastructureError, SpecError

if TYPE_CHECKING:
    from pulumi.automation import Stack

PASSPHRASE_VARIABLES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")


def exists(project: Project, name: str) -> bool:
    """Whether the local state knows this environment."""
    return _state_file(project, name).is_file()


def open_stack(project: Project, name: str, say: Callable[[str], None], *, create: bool = False) -> Stack:
    """The stack of an environment, with its configuration brought up to date with the spec.

    Args:
        project: the project that it belongs to.
        name: the environment.
        say: told what a long operation is doing.
        create: make the stack if it isn't there, and obtain the Pulumi CLI if there is none.

    Raises:
        SpecError: the spec has no such environment, or its passphrase is gone.
        InfrastructureError: there is no such stack, and none is to be made.
        ToolMissingError: there is no Pulumi CLI, or none can be obtained.
    """
    environment_of(project.spec, name)
    cli = toolchain.obtain(say) if create else toolchain.require()
    from pulumi import automation

    from seedbed.environments.engine import Engine

    _write_config(project, name)
    environment = process_environment(project, name, cli)
    workspace = automation.LocalWorkspace(
        work_dir=str(project.infra), env_vars=environment, pulumi_command=Engine(cli, say)
    )
    if create:
        return automation.Stack.create_or_select(name, workspace)
    if not exists(project, name):
        raise InfrastructureError(f"Environment '{name}' is not up", hint=f"Run `seedbed up {name}` first.")
    return automation.Stack.select(name, workspace)


def process_environment(project: Project, name: str, cli: toolchain.PulumiCli) -> dict[str, str]:
    """The environment variables with which Pulumi runs the project's program, also by hand.

    Raises:
        SpecError: the passphrase of an existing stack is gone.
    """
    path = os.pathsep.join([str(project.scripts), str(cli.folder), os.environ.get("PATH", os.defpath)])
    (project.own_folder / "state").mkdir(parents=True, exist_ok=True)
    variables = {
        "PATH": path,
        "VIRTUAL_ENV": str(project.scripts.parent),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if not any(os.environ.get(variable) for variable in PASSPHRASE_VARIABLES):
        variables["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(_passphrase_file(project, name))
    return variables


def remove(project: Project, name: str, stack: Stack) -> None:
    """Forget a stack whose resources are gone, its history and backups included."""
    stack.workspace.remove_stack(name, preserve_config=True)
    state = project.own_folder / "state" / ".pulumi"
    for kind in ("history", "backups", "locks"):
        for folder in state.glob(f"{kind}/**/{PROGRAM}/{name}"):
            shutil.rmtree(folder, ignore_errors=True)
    for leftover in (state / "stacks" / PROGRAM).glob(f"{name}.json*"):
        leftover.unlink(missing_ok=True)


def break_dead_lock(project: Project, name: str, say: Callable[[str], None]) -> None:
    """Remove the lock of an engine that was killed; one whose owner may be alive, or elsewhere, stays."""
    for path in (project.own_folder / "state" / ".pulumi" / "locks").glob(f"**/{PROGRAM}/{name}/*.json"):
        try:
            lock = json.loads(path.read_text(encoding="utf-8"))
            pid, host, since = int(lock["pid"]), str(lock["hostname"]), path.stat().st_mtime
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if host == socket.gethostname() and not inventory.is_running(pid, since):
            say(f"An earlier run (process {pid}) was killed and left its lock: removing it")
            path.unlink(missing_ok=True)


def _state_file(project: Project, name: str) -> Path:
    return project.own_folder / "state" / ".pulumi" / "stacks" / PROGRAM / f"{name}.json"


def _passphrase_file(project: Project, name: str) -> Path:
    path = project.own_folder / "passphrase"
    if not path.is_file():
        if exists(project, name):
            raise SpecError(
                f"The passphrase of environment '{name}' is gone: {path} is missing",
                hint=f"Restore that file, or set {PASSPHRASE_VARIABLES[0]} to the passphrase it held.",
            )
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32))
    return path


def _write_config(project: Project, name: str) -> None:
    """Bring Pulumi.<stack>.yaml up to date with the spec; what others wrote there stays."""
    import yaml

    path = project.infra / f"Pulumi.{name}.yaml"
    content: dict[str, Any] = (yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None) or {}
    config = dict(content.get("config") or {})
    # A key that the spec no longer sets must not stay: the spec says all about the keys that it has.
    wanted = {
        **{key: value for key, value in config.items() if key not in CONFIG_KEYS},
        **stack_config(project.spec, name),
    }
    changed = wanted != config
    if not exists(project, name) and content.pop("encryptionsalt", None):
        changed = True  # the salt of another checkout's stack, which this passphrase does not open
    if changed or not path.is_file():
        content["config"] = wanted
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
