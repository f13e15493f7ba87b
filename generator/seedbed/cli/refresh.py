from __future__ import annotations

from pathlib import Path

import click

from seedbed.cli import output
from seedbed.cli.options import environment_argument, json_option, project_option


@click.command("refresh")
@environment_argument
@project_option
@json_option
def command(env: str, project: Path | None, as_json: bool) -> None:
    """Compare the recorded state with what really runs.

    The difference is recorded.

    A process that died or a bucket that is gone shows as a change; `up` repairs it.

    \b
    Examples:
      seedbed refresh dev
      seedbed refresh dev --json | jq .changes
    """
    from seedbed.cli.progress import shown
    from seedbed.cli.up import describe, show
    from seedbed.environments import operations
    from seedbed.environments.project import find_project

    found = find_project(project)
    with shown(quiet=as_json) as progress:
        outcome = operations.refresh(found, env, progress)
    if as_json:
        output.emit(describe(outcome))
        return
    show(outcome, "has drifted" if outcome.changes else "is as recorded")
    if outcome.changes:
        output.line(f"Next: `seedbed up {env}` repairs it.")
