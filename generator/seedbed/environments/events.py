"""What the engine reports while it works, as steps that a progress display and a result can use."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pulumi.automation import EngineEvent

State = Literal["running", "done", "failed"]
_UNCHANGED = {"same", "read"}
_CONTROL = re.compile(r"<\{%[^%]*%\}>|\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Step:
    """One resource and what happens to it in a verb such as `up` or `preview`."""

    verb: str
    name: str
    kind: str
    operation: str
    state: State
    seconds: float = 0.0

    @property
    def is_change(self) -> bool:
        """Whether anything about the resource changes."""
        return self.operation not in _UNCHANGED


@dataclass
class Recorder:
    """Collects the engine's events of one operation and passes each step on.

    Only real resources count: not the components that group them, nor the providers that make them.

    Attributes:
        changes: operation → number of resources, without those that stay the same.
        unchanged: number of resources that stay the same.
        outputs: the stack's outputs; secrets are left out.
        problems: error messages, one a resource.
        warnings: what the program wants the person to know.
    """

    verb: str
    on_step: Callable[[Step], None]
    changes: Counter[str] = field(default_factory=Counter)
    unchanged: int = 0
    outputs: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _begun: dict[str, float] = field(default_factory=dict)

    def __call__(self, event: EngineEvent) -> None:
        """Take one event."""
        if event.resource_pre_event:
            self._resource(event.resource_pre_event.metadata, "running")
        elif event.res_outputs_event:
            self._resource(event.res_outputs_event.metadata, "done")
        elif event.res_op_failed_event:
            self._resource(event.res_op_failed_event.metadata, "failed")
        elif event.diagnostic_event and event.diagnostic_event.severity == "error":
            self._problem(event.diagnostic_event.urn, event.diagnostic_event.message)
        elif event.diagnostic_event and event.diagnostic_event.severity == "warning":
            self._warning(event.diagnostic_event.message)

    def _resource(self, metadata: Any, state: State) -> None:
        kind, name = _identity(metadata.urn)
        operation = getattr(metadata.op, "value", str(metadata.op))
        if kind == "Stack":
            if state == "done" and metadata.new and metadata.new.outputs:
                self.outputs = {key: value for key, value in metadata.new.outputs.items() if not _is_secret(value)}
            return
        resource = metadata.new or metadata.old
        if is_provider(metadata.urn) or (resource and not resource.custom):
            return
        if state == "running":
            self._begun[metadata.urn] = time.monotonic()
        seconds = time.monotonic() - self._begun.get(metadata.urn, time.monotonic())
        step = Step(self.verb, name, kind, operation, state, seconds)
        if state == "done":
            if step.is_change:
                self.changes[operation] += 1
            else:
                self.unchanged += 1
        self.on_step(step)

    def _problem(self, urn: str | None, message: str) -> None:
        text = _CONTROL.sub("", message).strip()
        # The engine closes with a summary of what it has said already.
        if not text or text in {"update failed", "preview failed", "destroy failed", "refresh failed"}:
            return
        # A provider's error comes with the trace of the program that runs it; what follows its name is for the person.
        text = text.rpartition("PlatformError: ")[2]
        where = f"{_identity(urn)[1]}: " if urn and _identity(urn)[0] != "Stack" else ""
        self.problems.append(f"{where}{text}")

    def _warning(self, message: str) -> None:
        text = " ".join(_CONTROL.sub("", message).removeprefix("warning: ").split())
        if text and text not in self.warnings:
            self.warnings.append(text)


def is_provider(urn: str) -> bool:
    """Whether a resource is one of Pulumi's own providers."""
    return "pulumi:providers:" in urn


def _identity(urn: str) -> tuple[str, str]:
    """The last word of a resource's type, and its name."""
    _, _, type_name = urn.rpartition("$")
    parts = type_name.split("::")
    return parts[-2].rsplit(":", 1)[-1].rsplit("/", 1)[-1], parts[-1]


def _is_secret(value: Any) -> bool:
    return value == "[secret]" or (isinstance(value, dict) and "4dabf18193072939515e22adb298388d" in value)
