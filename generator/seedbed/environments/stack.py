"""An environment's Pulumi stack: where its state is, how its secrets are locked, which program runs it."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedbed import toolchain
from seedbed.environments.events import is_provider
from seedbed.environments.project import Project
from seedbed.environments.stack_config import CONFIG_KEYS, SPEC, environment_of, spec_digest, stack_config
from seedbed.environments.state import (
    Runs,
    latest,
    secrets_provider,
    settings_file,
    stack_settings,
    state_of,
    write_settings,
)
from seedbed.errors import InfrastructureError, SpecError
from seedbed.spec import FILE_NAME
from seedbed.spec_sources import read_toml

if TYPE_CHECKING:
    from pulumi.automation import Stack

STACK = "pulumi:pulumi:Stack"
PASSPHRASE_VARIABLES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")


def exists(project: Project, name: str) -> bool:
    """Whether there is a state of this environment, here or in the bucket on record.

    Raises:
        SeedbedError: the bucket can't be read, so that nothing is known of it.
    """
    return state_of(project, name).exists()


def open_stack(project: Project, name: str, say: Callable[[str], None], *, create: bool = False) -> Stack:
    """The stack of an environment, with its configuration brought up to date with the spec.

    Args:
        project: the project that it belongs to.
        name: the environment.
        say: told what a long operation is doing.
        create: make the stack if it isn't there, and obtain the Pulumi CLI if there is none.

    Raises:
        SpecError: the spec has no such environment, or its passphrase is gone.
        InfrastructureError: there is no such stack, and none is to be made; or its state is spoilt.
        ToolMissingError: there is no Pulumi CLI, or none can be obtained.
    """
    environment_of(project.spec, name)
    recorded(project, name)  # the engine's words for a spoilt one would help nobody
    cli = toolchain.obtain(say) if create else toolchain.require()
    from pulumi import automation

    from seedbed.environments.engine import Engine

    _write_config(project, name)
    environment = process_environment(project, name, cli)
    runs = Runs.of(project, name) if environment["PULUMI_BACKEND_URL"] else None
    workspace = automation.LocalWorkspace(
        work_dir=str(project.infra), env_vars=environment, pulumi_command=Engine(cli, say, runs),
        secrets_provider=secrets_provider(project, name) or None,
    )  # fmt: skip
    if create:
        return automation.Stack.create_or_select(name, workspace)
    if not exists(project, name):
        raise InfrastructureError(f"Environment '{name}' is not up", hint=f"Run `seedbed up {name}` first.")
    return automation.Stack.select(name, workspace)


def recorded(project: Project, name: str) -> list[dict[str, Any]]:
    """The resources in an environment's state, read without the engine; secrets in them stay encrypted.

    Raises:
        SeedbedError: it is spoilt, or in a bucket that can't be read.
    """
    state = state_of(project, name)
    resources: list[dict[str, Any]] = latest(state, state.content())["resources"]
    return resources


def recorded_in(stack: Stack) -> list[dict[str, Any]]:
    """Everything in the state, groups and providers included."""
    resources: list[dict[str, Any]] = (stack.export_stack().deployment or {}).get("resources", [])
    return resources


def real(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The resources that are something: not the stack, not the groups in it, not the providers."""
    return [r for r in resources if r.get("custom") and not is_provider(r["urn"])]


def unprotect(stack: Stack) -> None:
    """Tell the engine that it may delete everything in a stack.

    Raises:
        pulumi.automation.errors.CommandError: the state could not be written.
    """
    workspace = stack.workspace
    arguments = ["state", "unprotect", "--all", "--yes", "--stack", stack.name]
    workspace.pulumi_command.run(arguments, str(workspace.work_dir), dict(workspace.env_vars))


def forget(stack: Stack, which: Callable[[dict[str, Any]], bool]) -> int:
    """Drop resources from a stack's state, without touching them; gives how many real ones there were.

    Raises:
        pulumi.automation.errors.CommandError: the state could not be read or written.
    """
    workspace = stack.workspace
    with tempfile.TemporaryDirectory(prefix="seedbed-state-") as folder:
        path = Path(folder) / "state.json"

        def run(verb: str) -> None:
            # Not by the Automation API, which writes the state with its secrets in plain text.
            arguments = ["stack", verb, "--stack", stack.name, "--file", str(path)]
            workspace.pulumi_command.run(arguments, str(workspace.work_dir), dict(workspace.env_vars))

        run("export")
        content = json.loads(path.read_text(encoding="utf-8"))
        deployment = content["deployment"]
        resources = deployment.get("resources", [])
        dropped = [resource for resource in resources if which(resource)]
        urns = {resource["urn"] for resource in dropped}
        deployment["resources"] = [_without(r, urns) for r in resources if r["urn"] not in urns]
        pending = deployment.get("pending_operations") or []
        deployment["pending_operations"] = [p for p in pending if not which(p["resource"])]
        path.write_text(json.dumps(content), encoding="utf-8")
        run("import")
    return sum(1 for resource in dropped if not resource["type"].startswith("pulumi:providers:"))


def _without(resource: dict[str, Any], urns: set[str]) -> dict[str, Any]:
    """A resource that depends on none of these."""
    kept = {**resource, "dependencies": [urn for urn in resource.get("dependencies") or () if urn not in urns]}
    kept["propertyDependencies"] = {
        key: [urn for urn in found or () if urn not in urns]
        for key, found in (resource.get("propertyDependencies") or {}).items()
    }
    if resource.get("deletedWith") in urns:
        del kept["deletedWith"]
    return kept


def process_environment(project: Project, name: str, cli: toolchain.PulumiCli) -> dict[str, str]:
    """The environment variables with which Pulumi runs the project's program, also by hand.

    Raises:
        SpecError: the passphrase of an existing stack is gone.
    """
    path = os.pathsep.join([str(project.scripts), str(cli.folder), os.environ.get("PATH", os.defpath)])
    (project.own_folder / "state").mkdir(parents=True, exist_ok=True)
    variables = {
        "PATH": path,
        # Empty: as infra/Pulumi.yaml says; not where a variable of the person's shell puts another environment's.
        "PULUMI_BACKEND_URL": state_of(project, name).url,
        "VIRTUAL_ENV": str(project.scripts.parent),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # Not into infra/, which is the project's; and not nowhere, for each run would compile every library again.
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(project.own_folder / "bytecode"),
    }
    by_passphrase = not secrets_provider(project, name)
    if by_passphrase and not any(os.environ.get(variable) for variable in PASSPHRASE_VARIABLES):
        variables["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(_passphrase_file(project, name))
    return variables


def remove(project: Project, name: str, stack: Stack) -> None:
    """Forget a stack whose resources are gone, its history and backups included."""
    stack.workspace.remove_stack(name, preserve_config=True)
    state_of(project, name).clean()


def break_dead_lock(project: Project, name: str, say: Callable[[str], None]) -> None:
    """Remove the lock of an engine that was killed; one whose owner may be alive, or somebody else's, stays."""
    state = state_of(project, name)
    locks = state.locks()
    for lock in locks:
        if state.is_dead(lock):
            say(f"An earlier run (process {lock.pid}) was killed and left its lock: removing it")
            state.unlock(lock)
            Runs.of(project, name).end(lock.pid)
    Runs.of(project, name).tidy(locks)


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
    path = settings_file(project, name)
    content = stack_settings(project, name)
    config = dict(content.get("config") or {})
    # A key that the spec no longer sets must not stay: the spec says all about the keys that it has.
    wanted = {
        **{key: value for key, value in config.items() if key not in CONFIG_KEYS},
        **stack_config(project.spec, name),
        SPEC: spec_digest(read_toml(project.root / FILE_NAME), name),
    }
    changed = wanted != config
    if not state_of(project, name).url and not exists(project, name) and content.pop("encryptionsalt", None):
        changed = True  # the salt of another checkout's stack, which this passphrase does not open
    if changed or not path.is_file():
        content["config"] = wanted
        write_settings(project, name, content)
