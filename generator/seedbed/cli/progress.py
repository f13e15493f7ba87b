"""Show an operation while it runs: a live table on a terminal, one line a finished step elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from seedbed.cli import output
from seedbed.environments.operations import Progress

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from seedbed.environments.events import Step

# Operation → its sign, what it has done, what a preview says of it, and what a refresh does.
_WORDS = {
    "create": ("+", "created", "to create", "appeared"),
    "update": ("~", "updated", "to update", "has changed"),
    "delete": ("-", "deleted", "to delete", "is gone"),
    "replace": ("~", "replaced", "to replace", "has changed"),
    "create-replacement": ("+", "new one created", "to create anew", "has changed"),
    "delete-replaced": ("-", "old one deleted", "to delete the old one", "is gone"),
}
_COLUMN = {"preview": 2, "refresh": 3}


@contextlib.contextmanager
def shown(*, quiet: bool) -> Iterator[Progress]:
    """Callbacks for an operation; they print to stderr, so that stdout holds the result alone."""
    if quiet:
        yield Progress()
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True, highlight=False)
        display = _Running(console)
        with Live(display, console=console, refresh_per_second=8, transient=True):
            yield Progress(display.say, display.step)
    else:
        yield Progress(lambda text: output.line(text, err=True), _print_step)


def _print_step(step: Step) -> None:
    if text := _finished(step):
        output.line(text, err=True)


def _finished(step: Step) -> str:
    """The line of a step that has ended, or nothing when it is not worth one."""
    if step.state == "running" or not step.is_change:
        return ""
    words = _WORDS.get(step.operation, ("*", *[step.operation] * 3))
    if step.state == "failed":
        return f"  x {_what(step)} failed"
    time_taken = "" if step.verb in _COLUMN else f"{step.seconds:8.1f} s"
    return f"  {words[0]} {_what(step)} {words[_COLUMN.get(step.verb, 1)]:<17}{time_taken}".rstrip()


def _what(step: Step) -> str:
    # The longest kind of Kubernetes in its column; a longer name only moves what comes after it.
    return f"{step.name:<24} {step.kind:<21}"


class _Running:
    """The steps that are under way, redrawn in place below those that have ended."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._running: dict[tuple[str, str], tuple[Step, float]] = {}

    def say(self, text: str) -> None:
        self._console.print(text, markup=False)

    def step(self, step: Step) -> None:
        key = (step.kind, step.name)
        if step.state == "running":
            self._running[key] = (step, time.monotonic())
            return
        self._running.pop(key, None)
        if text := _finished(step):
            self._console.print(text, style="red" if step.state == "failed" else None, markup=False)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.spinner import Spinner
        from rich.text import Text

        now = time.monotonic()
        if not self._running:
            yield Spinner("dots", Text(" working"))
        for step, since in list(self._running.values()):
            yield Spinner("dots", Text(f" {_what(step)}{now - since:6.0f} s"))
