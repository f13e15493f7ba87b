from __future__ import annotations

from pathlib import Path

import click

from seedbed.cli import output
from seedbed.cli.options import environment_argument, json_option, project_option


@click.command("outputs")
@environment_argument
@project_option
@click.option(
    "--format",
    "style",
    type=click.Choice(["shell", "dotenv", "json"]),
    default="dotenv",
    show_default=True,
    help="How the variables are written.",
)
@json_option
def command(env: str, project: Path | None, style: str, as_json: bool) -> None:
    """Print what programs need to reach an environment.

    Secrets are included. The names are those that the tools read themselves: AWS_ENDPOINT_URL,
    MLFLOW_TRACKING_URI, KFP_ENDPOINT and so on.

    \b
    Examples:
      eval "$(seedbed outputs dev --format shell)"
      seedbed outputs dev > .env
      seedbed outputs dev --format json | jq -r .MLFLOW_TRACKING_URI
    """
    import json

    from seedbed.cli.progress import shown
    from seedbed.environments import operations, variables
    from seedbed.environments.project import find_project

    found = find_project(project)
    with shown(quiet=True) as progress:
        values = variables.from_outputs(operations.outputs(found, env, progress))
    if as_json:
        output.emit({"environment": env, "variables": values})
    elif style == "json":
        click.echo(json.dumps(values, indent=2))
    else:
        click.echo("\n".join(variables.lines(values, style)))
