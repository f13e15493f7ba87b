"""The verbs of an environment: preview, up, refresh, status, outputs; `teardown` has those that end it.

Each returns what happened and raises a typed error otherwise; what happens meanwhile goes to two callbacks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from seedbed.environments import stack as stacks
from seedbed.environments.events import Recorder, Step
from seedbed.environments.failures import explained
from seedbed.environments.places import Running, place_of
from seedbed.environments.project import Project, ensure_ready
from seedbed.environments.stack import STACK, real, recorded_in
from seedbed.environments.stack_config import environment_of


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
    """What the state of an environment records, and what of it really runs."""

    environment: str
    target: str
    resources: int
    outputs: dict[str, Any]
    running: Running

    @property
    def healthy(self) -> bool:
        """Whether everything recorded does what it is for."""
        return self.running.healthy


def preview(project: Project, name: str, progress: Progress, *, skip_checks: bool = False) -> Outcome:
    """What `up` would change; nothing changes.

    Args:
        project: the project.
        name: the environment.
        progress: told about each step.
        skip_checks: go on where a check of the place finds that `up` can't work.
    """
    existed = stacks.exists(project, name)
    warnings = _prepared(project, name, progress, skip_checks=skip_checks)
    try:
        return _operate(project, name, progress, "preview", warnings, create=True)
    finally:
        if not existed and stacks.exists(project, name):
            stacks.remove(project, name, stacks.open_stack(project, name, progress.say))


def up(project: Project, name: str, progress: Progress, *, skip_checks: bool = False) -> Outcome:
    """Bring an environment up, or repair it; arguments as for `preview`."""
    warnings = _prepared(project, name, progress, skip_checks=skip_checks)
    return _operate(project, name, progress, "up", warnings, create=True)


def refresh(project: Project, name: str, progress: Progress) -> Outcome:
    """Record what really runs; the changes are the drift that was found."""
    place_of(project, name, stacks.recorded(project, name)).reach()
    # What a killed run was just creating is either adopted by the next `up` or not there: nothing to keep asking about.
    return _operate(project, name, progress, "refresh", [], clear_pending_creates=True)


def status(project: Project, name: str, progress: Progress) -> Status:
    """What is recorded of an environment, compared with what runs.

    Raises:
        InfrastructureError: the environment is not up.
    """
    environment = environment_of(project.spec, name)
    recorded = recorded_in(stacks.open_stack(project, name, progress.say))
    values: dict[str, Any] = next((r.get("outputs", {}) for r in recorded if r["type"] == STACK), {})
    outputs = {key: value for key, value in values.items() if isinstance(value, str) and value}
    running = place_of(project, name, recorded).look()
    return Status(name, environment.target, len(real(recorded)), outputs, running)


def outputs(project: Project, name: str, progress: Progress) -> dict[str, str]:
    """All outputs of the contract, secrets in plain text.

    Raises:
        InfrastructureError: the environment is not up.
        SpecError: the passphrase is wrong.
    """
    stack = stacks.open_stack(project, name, progress.say)
    with explained(name, Recorder("outputs", progress.step)):
        return {key: str(output.value) for key, output in stack.outputs().items()}


def _prepared(project: Project, name: str, progress: Progress, *, skip_checks: bool) -> list[str]:
    place = place_of(project, name, stacks.recorded(project, name))
    return place.prepare(progress.say, skip_checks=skip_checks)


def _operate(
    project: Project,
    name: str,
    progress: Progress,
    verb: str,
    warnings: list[str],
    *,
    create: bool = False,
    **options: bool,
) -> Outcome:
    started = time.monotonic()
    environment_of(project.spec, name)
    ensure_ready(project, progress.say)
    recorder = Recorder(verb, progress.step)
    with explained(name, recorder):
        stack = stacks.open_stack(project, name, progress.say, create=create)
        stacks.break_dead_lock(project, name, progress.say)
        getattr(stack, verb)(on_event=recorder, color="never", **options)
    seconds = time.monotonic() - started
    noted = [*warnings, *recorder.warnings]
    return Outcome(name, dict(recorder.changes), recorder.unchanged, seconds, recorder.outputs, noted)
