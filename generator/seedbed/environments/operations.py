"""The verbs of an environment: preview, up, refresh, status, outputs, down.

Each returns what happened and raises a typed error otherwise; what happens meanwhile goes to two callbacks.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seedbed.environments import inventory
from seedbed.environments import stack as stacks
from seedbed.environments.events import Recorder, Step, is_provider
from seedbed.environments.project import Project, ensure_ready
from seedbed.environments.stack_config import environment_of
from seedbed.errors import ConflictError, InfrastructureError, SpecError

if TYPE_CHECKING:
    from pulumi.automation import Stack

_STACK = "pulumi:pulumi:Stack"


@dataclass(frozen=True)
class Progress:
    """Where an operation tells what it is doing."""

    say: Callable[[str], None] = lambda _: None
    step: Callable[[Step], None] = lambda _: None


@dataclass(frozen=True)
class Outcome:
    """What an operation changed."""

    environment: str
    changes: dict[str, int]
    unchanged: int
    seconds: float
    outputs: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Status:
    """What the state of an environment records, and which of its processes are alive."""

    environment: str
    target: str
    resources: int
    outputs: dict[str, Any]
    processes: list[dict[str, Any]]

    @property
    def healthy(self) -> bool:
        """Whether every recorded process is alive."""
        return all(process["alive"] for process in self.processes)


def preview(project: Project, name: str, progress: Progress) -> Outcome:
    """What `up` would change; nothing changes."""
    existed = stacks.exists(project, name)
    outcome = _operate(project, name, progress, "preview", create=True)
    if not existed:
        stacks.remove(project, name, stacks.open_stack(project, name, progress.say))
    return outcome


def up(project: Project, name: str, progress: Progress) -> Outcome:
    """Bring an environment up, or repair it."""
    return _operate(project, name, progress, "up", create=True)


def refresh(project: Project, name: str, progress: Progress) -> Outcome:
    """Record what really runs; the changes are the drift that was found."""
    # What a killed run was just creating is either adopted by the next `up` or not there: nothing to keep asking about.
    return _operate(project, name, progress, "refresh", clear_pending_creates=True)


def status(project: Project, name: str, progress: Progress) -> Status:
    """What is recorded of an environment, compared with the processes that live.

    Raises:
        InfrastructureError: the environment is not up.
    """
    environment = environment_of(project.spec, name)
    resources = _resources(stacks.open_stack(project, name, progress.say))
    processes = []
    outputs: dict[str, Any] = {}
    for resource in resources:
        values = resource.get("outputs", {})
        if resource["type"] == _STACK:
            outputs = {key: value for key, value in values.items() if isinstance(value, str) and value}
        elif values.get("pid"):
            pid, created = int(values["pid"]), float(values["create_time"])
            processes.append(
                {
                    "name": resource["urn"].rpartition("::")[2],
                    "pid": pid,
                    "port": int(values["port"]),
                    "alive": inventory.is_alive(pid, created),
                    "log": values.get("log", ""),
                }
            )
    return Status(name, environment.target, len(resources) - 1, outputs, processes)


def outputs(project: Project, name: str, progress: Progress) -> dict[str, str]:
    """All outputs of the contract, secrets in plain text.

    Raises:
        InfrastructureError: the environment is not up.
        SpecError: the passphrase is wrong.
    """
    stack = stacks.open_stack(project, name, progress.say)
    with _explained(name, Recorder("outputs", progress.step)):
        return {key: str(output.value) for key, output in stack.outputs().items()}


def down(project: Project, name: str, progress: Progress, *, confirmed: str | None = None) -> inventory.Inventory:
    """Destroy an environment, look for anything left of it, and forget it only when there is nothing.

    Args:
        project: the project.
        name: the environment.
        progress: told about each step.
        confirmed: the name that the person typed; needed for a protected environment.

    Raises:
        ConflictError: it is protected and its name was not typed.
        InfrastructureError: the destruction failed, or something is left.
    """
    if environment_of(project.spec, name).protect and confirmed != name:
        raise ConflictError(
            f"Environment '{name}' is protected; nothing was changed",
            hint=f"If it really must go: seedbed down {name} --confirm {name}",
        )
    if not stacks.exists(project, name):
        found = inventory.take(project.home(name), [])
        if found.leftovers:
            _fail_with(found, name)
        return found
    ensure_ready(project, progress.say)
    stack = stacks.open_stack(project, name, progress.say)
    stacks.break_dead_lock(project, name, progress.say)
    resources = _resources(stack)
    recorder = Recorder("down", progress.step)
    with _explained(name, recorder):
        stack.destroy(on_event=recorder, color="never", run_program=False)
    progress.say("Looking for anything left")
    if not any(resource["type"] != _STACK for resource in _resources(stack)):
        stacks.remove(project, name, stack)
    found = inventory.settled(project.home(name), resources)
    found.checked = {"resources": len(resources) - 1, **found.checked}
    if found.leftovers:
        _fail_with(found, name)
    return found


def _operate(
    project: Project, name: str, progress: Progress, verb: str, *, create: bool = False, **options: bool
) -> Outcome:
    started = time.monotonic()
    environment_of(project.spec, name)
    ensure_ready(project, progress.say)
    recorder = Recorder(verb, progress.step)
    with _explained(name, recorder):
        stack = stacks.open_stack(project, name, progress.say, create=create)
        stacks.break_dead_lock(project, name, progress.say)
        getattr(stack, verb)(on_event=recorder, color="never", **options)
    seconds = time.monotonic() - started
    return Outcome(name, dict(recorder.changes), recorder.unchanged, seconds, recorder.outputs, recorder.warnings)


def _resources(stack: Stack) -> list[dict[str, Any]]:
    """The stack itself and its real resources, as the state holds them."""
    resources: list[dict[str, Any]] = (stack.export_stack().deployment or {}).get("resources", [])
    return [r for r in resources if r["type"] == _STACK or (r.get("custom") and not is_provider(r["urn"]))]


def _fail_with(found: inventory.Inventory, name: str) -> None:
    raise InfrastructureError(
        f"Environment '{name}' is not gone:\n" + "\n".join(f"  - {leftover}" for leftover in found.leftovers),
        hint=f"Run `seedbed down {name}` again; what stays in the list then must be removed by hand.",
        details={"leftovers": found.leftovers, "checked": found.checked},
    )


@contextmanager
def _explained(name: str, recorder: Recorder) -> Iterator[None]:
    """Turn the Automation API's errors, which carry whole transcripts, into one that says what to do."""
    from pulumi.automation.errors import CommandError, ConcurrentUpdateError, StackNotFoundError

    try:
        yield
    except StackNotFoundError as error:
        raise InfrastructureError(f"Environment '{name}' is not up", hint=f"Run `seedbed up {name}` first.") from error
    except ConcurrentUpdateError as error:
        holder = re.search(r"created by (.+)", str(error))
        raise ConflictError(
            f"Somebody else is changing environment '{name}': {holder[1] if holder else 'holder unknown'}",
            hint="Wait for them. A lock left by a run on another machine goes with `pulumi cancel` in infra/.",
        ) from error
    except CommandError as error:
        text = str(error)
        if "incorrect passphrase" in text:
            raise SpecError(
                f"The passphrase does not open the secrets of environment '{name}'; nothing was changed",
                hint="Correct PULUMI_CONFIG_PASSPHRASE, or unset it to use the one in .seedbed/passphrase.",
            ) from error
        problems = recorder.problems or [_last_lines(text)]
        raise InfrastructureError(
            f"Environment '{name}':\n" + "\n".join(f"  - {problem}" for problem in problems),
            hint=f"What was done is kept: correct the cause and run the command again, or `seedbed down {name}`.",
            details={"problems": problems},
        ) from error


def _last_lines(text: str, count: int = 8) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-count:])
