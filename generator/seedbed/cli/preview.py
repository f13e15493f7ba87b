from __future__ import annotations

from pathlib import Path

import click

from seedbed.cli import output
from seedbed.cli.options import environment_argument, json_option, project_option, skip_checks_option


@click.command("preview")
@environment_argument
@project_option
@skip_checks_option
@json_option
def command(env: str, project: Path | None, skip_checks: bool, as_json: bool) -> None:
    """Show what `up` would change, and change nothing.

    On AWS it also says what the environment would cost a month.

    \b
    Examples:
      seedbed preview dev
      seedbed preview dev --json
    """
    from seedbed.cli.cost import announce
    from seedbed.cli.progress import shown
    from seedbed.cli.up import describe, show
    from seedbed.environments import operations
    from seedbed.environments.project import find_project

    found = find_project(project)
    with shown(quiet=as_json) as progress:
        outcome = operations.preview(found, env, progress, skip_checks=skip_checks)
    if not as_json:
        show(outcome, "would change")
    costs = announce(found, env, before=False, quiet=as_json)
    if as_json:
        output.emit(describe(outcome, costs))
