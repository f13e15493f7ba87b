from __future__ import annotations

from pathlib import Path

import click

from seedbed.cli import output
from seedbed.cli.options import environment_argument, json_option, project_option


@click.command("down")
@environment_argument
@project_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--confirm", metavar="ENV", help="The environment's name typed again: needed when it is protected.")
@json_option
def command(env: str, project: Path | None, yes: bool, confirm: str | None, as_json: bool) -> None:
    """Take an environment down and prove that nothing is left.

    All of its data goes with it. Afterwards it looks for every process, port, bucket and file of the environment.
    It says "gone" only when there is none, and otherwise names what is left and exits 7.

    \b
    Examples:
      seedbed down dev             asks first
      seedbed down dev --yes
      seedbed down prod --confirm prod
    """
    from seedbed.cli.progress import shown
    from seedbed.environments import operations
    from seedbed.environments.project import find_project
    from seedbed.environments.stack_config import environment_of
    from seedbed.errors import ConflictError

    found = find_project(project)
    environment = environment_of(found.spec, env)
    if not yes and confirm != env and not environment.protect:
        if as_json or not output.is_terminal():
            raise ConflictError(f"`down` deletes all data of '{env}' and was not confirmed", hint="Add --yes.")
        click.confirm(f"Delete environment '{env}' of {found.spec.project.name} with all its data?", abort=True)
    with shown(quiet=as_json) as progress:
        inventory = operations.down(found, env, progress, confirmed=confirm)
    if as_json:
        output.emit(
            {
                "environment": env,
                "checked": inventory.checked,
                "leftovers": inventory.leftovers,
                "kept": inventory.kept,
            }
        )
        return
    output.line(f"Environment {env} is gone. Looked for {inventory.describe()}: none is left.", bold=True)
    for kept in inventory.kept:
        output.line(f"Kept: {kept}, which was there before the environment.")
