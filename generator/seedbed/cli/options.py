"""Options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

Decorated = Callable[..., Any]


class Positive(click.FloatRange):
    """A number above 0 that is one: `nan` and `inf` are floats too, and pass every comparison or none."""

    def __init__(self, limit: float | None = None) -> None:
        super().__init__(min=0, max=limit, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number."""
        found: float = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value} is not a number of anything.", param, ctx)
        return found


def json_option(function: Decorated) -> Decorated:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result, or the error, as JSON.")(function)


def project_option(function: Decorated) -> Decorated:
    """`--project`: the folder of a generated project."""
    return click.option(
        "-C", "--project", type=click.Path(file_okay=False, path_type=Path), default=None,
        help="The project's folder; default: this one or the nearest above it with a seedbed.toml.",
    )(function)  # fmt: skip


def skip_checks_option(function: Decorated) -> Decorated:
    """`--skip-checks`."""
    return click.option(
        "--skip-checks",
        is_flag=True,
        help="Go on though the cluster or account fails a check; the findings become notes.",
    )(function)


class EnvironmentName(click.types.StringParamType):
    """An environment of the project: completed, and listed where it is missing."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """The environments that begin so."""
        return [CompletionItem(name) for name in _environments(ctx) if name.startswith(incomplete)]

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str | None:  # noqa: ARG002
        """Which ones there are."""
        names = _environments(ctx) if ctx else []
        return f"The project has: {', '.join(names)}." if names else None


def environment_argument(function: Decorated) -> Decorated:
    """`ENV`, completed from the project's spec."""
    return click.argument("env", metavar="ENV", type=EnvironmentName())(function)


def _environments(ctx: click.Context) -> list[str]:
    from seedbed.environments.project import find_project
    from seedbed.errors import SeedbedError

    try:
        return list(find_project(ctx.params.get("project")).spec.environments)
    except SeedbedError:
        return []
