from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedbed.cli import output
from seedbed.cli.options import environment_argument, json_option, project_option, skip_checks_option

if TYPE_CHECKING:
    from seedbed.cli.cost import Costs
    from seedbed.environments.operations import Outcome


@click.command("up")
@environment_argument
@project_option
@skip_checks_option
@json_option
def command(env: str, project: Path | None, skip_checks: bool, as_json: bool) -> None:
    """Bring an environment up, or repair it.

    The first time it installs the project's locked dependencies and obtains the Pulumi CLI
    if there is none. Run again, it changes only what differs. The same as `pulumi up` in infra/.

    On a cluster or on AWS it first checks, in seconds, whether there is all that the environment
    needs, and names what stands in the way. On AWS it also says what it costs a month.

    \b
    Examples:
      seedbed up dev
      seedbed up dev --json
    """
    from seedbed.cli.cost import announce
    from seedbed.cli.progress import shown
    from seedbed.environments import forwarding, operations
    from seedbed.environments.project import find_project

    found = find_project(project)
    costs = announce(found, env, before=True, quiet=as_json)
    with shown(quiet=as_json) as progress:
        outcome = operations.up(found, env, progress, skip_checks=skip_checks)
    if as_json:
        output.emit(describe(outcome, costs))
        return
    show(outcome, "is up")
    for key, value in sorted(outcome.outputs.items()):
        if value:
            output.line(f"  {key:<22}{value}")
    if forwarding.services(outcome.outputs):
        output.line(f"Next: `seedbed forward {env} COMMAND` runs a command that reaches these, with the keys.")
    else:
        output.line(f'Next: eval "$(seedbed outputs {env} --format shell)" gives these, and the keys, to your tools.')


def describe(outcome: Outcome, costs: Costs | None = None) -> dict[str, object]:
    """An outcome as `--json` shows it, with what the environment costs where that is known."""
    figures = {} if costs is None else {"cost": costs.figures}
    return {
        "environment": outcome.environment,
        "changes": outcome.changes,
        "unchanged": outcome.unchanged,
        "seconds": round(outcome.seconds, 1),
        "outputs": outcome.outputs,
        "warnings": [*([costs.excess] if costs and costs.excess else []), *outcome.warnings],
        **figures,
    }


def show(outcome: Outcome, verdict: str) -> None:
    """The closing lines of an operation."""
    for warning in outcome.warnings:
        output.line(f"Note: {warning}", err=True)
    changes = ", ".join(f"{count} {operation}" for operation, count in sorted(outcome.changes.items())) or "no changes"
    output.line(
        f"Environment {outcome.environment} {verdict}: {changes}, {outcome.unchanged} unchanged,"
        f" {outcome.seconds:.1f} s",
        bold=True,
    )
