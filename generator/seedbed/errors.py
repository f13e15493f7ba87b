"""Every error that a user can meet, with its exit code and what to do next.

Core code raises these and prints nothing; `seedbed.cli.main` turns them into a message and an exit status, once.
"""

from __future__ import annotations

from typing import Any, ClassVar


class SeedbedError(Exception):
    """Root of all expected errors.

    Args:
        message: what happened and why, one or more full lines.
        hint: what the person can do next; empty when the message says it already.
        details: machine-readable facts for `--json`.
    """

    exit_code: ClassVar[int] = 1
    kind: ClassVar[str] = "internal"

    def __init__(self, message: str, *, hint: str = "", details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details or {}

    def as_dict(self) -> dict[str, Any]:
        """The error as `--json` shows it."""
        return {"kind": self.kind, "message": self.message, "hint": self.hint, **self.details}


class UsageError(SeedbedError):
    """The command line itself is wrong."""

    exit_code = 2
    kind = "usage"


class SpecError(SeedbedError):
    """The spec, a `--set` value, an environment variable or the user's configuration is wrong."""

    exit_code = 3
    kind = "spec"


class TemplateError(SeedbedError):
    """A template layer can't be rendered."""

    exit_code = 4
    kind = "template"


class ConflictError(SeedbedError):
    """Going on would destroy or overwrite something, or another writer is at work; nothing was changed."""

    exit_code = 5
    kind = "conflict"


class ToolMissingError(SeedbedError):
    """A program that the command needs is not there and could not be obtained."""

    exit_code = 6
    kind = "tool-missing"


class InfrastructureError(SeedbedError):
    """Provisioning, inspecting or destroying an environment failed."""

    exit_code = 7
    kind = "infrastructure"
