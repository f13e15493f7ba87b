"""What people and programs read: text on a terminal, JSON under `--json`, errors on stderr."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import click

from seedbed.errors import SeedbedError


def color() -> bool | None:
    """False when NO_COLOR is set; None lets click decide by the terminal."""
    return False if os.environ.get("NO_COLOR") else None


def emit(data: dict[str, Any]) -> None:
    """One JSON object on stdout."""
    click.echo(json.dumps({"ok": True, **data}, indent=2, ensure_ascii=False, default=str))


def line(text: str = "", *, bold: bool = False, fg: str | None = None, err: bool = False) -> None:
    """One line for a person."""
    click.echo(click.style(text, bold=bold, fg=fg) if bold or fg else text, err=err, color=color())


def report(error: SeedbedError, *, as_json: bool) -> None:
    """An expected error: what happened and why, then what to do."""
    if as_json:
        click.echo(json.dumps({"ok": False, "error": error.as_dict()}, indent=2, ensure_ascii=False, default=str))
        return
    line(f"Error: {error.message}", fg="red", err=True)
    if error.hint:
        line(f"Next: {error.hint}", err=True)


def report_usage(error: click.ClickException, *, as_json: bool) -> None:
    """A command line that click refused."""
    message = error.format_message()
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "seedbed"
    if as_json:
        problem = {"kind": "usage", "message": message, "hint": f"See `{path} --help`."}
        click.echo(json.dumps({"ok": False, "error": problem}, indent=2))
        return
    line(f"Error: {message}", fg="red", err=True)
    line(f"Next: see `{path} --help`.", err=True)


def report_internal(error: Exception, *, as_json: bool) -> None:
    """A defect of seedbed: the traceback goes to a file that can be sent, not over the screen."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="seedbed-error-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.write("".join(traceback.format_exception(error)))
    message = f"seedbed failed in a way it should not: {type(error).__name__}: {error}"
    if as_json:
        problem = {"kind": "internal", "message": message, "traceback": file.name}
        click.echo(json.dumps({"ok": False, "error": problem}, indent=2))
        return
    line(f"Error: {message}", fg="red", err=True)
    line(f"Next: please report it with the file {file.name}", err=True)


def is_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()
