from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedbed.cli import output
from seedbed.cli.options import Positive, environment_argument, json_option, project_option

if TYPE_CHECKING:
    from seedbed.environments.teardown import Forgotten


@click.command("down")
@environment_argument
@project_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--confirm", metavar="ENV", help="The environment's name typed again: needed when it is protected.")
@click.option(
    "--timeout",
    type=Positive(),
    metavar="MINUTES",
    help="How long it may take, 15 (on AWS 45) unless told otherwise; then it stops, and names what it waits for.",
)
@click.option(
    "--cluster-gone",
    is_flag=True,
    help="Its cluster no longer exists: forget what was on it. Needs --confirm; refused while the cluster answers.",
)
@json_option
def command(
    env: str,
    project: Path | None,
    yes: bool,
    confirm: str | None,
    timeout: float | None,
    cluster_gone: bool,
    as_json: bool,
) -> None:
    """Take an environment down and prove that nothing is left.

    All of its data goes with it. Afterwards it looks for every process, port, bucket and file of the environment,
    on a cluster for every object with its label, its namespaces and its volumes, and on AWS for everything with
    its tag or its names.
    It says "gone" only when there is none, and otherwise names what is left and exits 7.

    \b
    Examples:
      seedbed down dev             asks first
      seedbed down dev --yes
      seedbed down prod --confirm prod
      seedbed down demo --cluster-gone --confirm demo
    """
    from seedbed.cli.progress import shown
    from seedbed.environments import teardown
    from seedbed.environments.project import find_project
    from seedbed.environments.stack_config import environment_of
    from seedbed.errors import ConflictError

    found = find_project(project)
    environment = environment_of(found.spec, env)
    if cluster_gone:
        with shown(quiet=as_json) as progress:
            forgotten = teardown.forget_cluster(found, env, progress, confirmed=confirm)
        _show_forgotten(env, forgotten, as_json=as_json)
        return
    if not yes and confirm != env and not environment.protect:
        if as_json or not output.is_terminal():
            raise ConflictError(f"`down` deletes all data of '{env}' and was not confirmed", hint="Add --yes.")
        click.confirm(f"Delete environment '{env}' of {found.spec.project.name} with all its data?", abort=True)
    with shown(quiet=as_json) as progress:
        seconds = timeout * 60 if timeout else None
        inventory = teardown.down(found, env, progress, confirmed=confirm, seconds=seconds)
    if as_json:
        output.emit(
            {
                "environment": env,
                "checked": inventory.checked,
                "leftovers": inventory.leftovers,
                "kept": inventory.kept,
                "unseen": inventory.unseen,
                "ending": inventory.ending,
            }
        )
        return
    output.line(f"Environment {env} is gone. Looked for {inventory.describe()}: none is left.", bold=True)
    for kept in inventory.kept:
        output.line(f"Kept: {kept}, which was there before the environment.")
    for ending in inventory.ending:
        output.line(f"Note: {ending}.")
    for unseen in inventory.unseen:
        output.line(f"Note: not looked at, and nothing of the environment should be there: {unseen}", err=True)


def _show_forgotten(env: str, forgotten: Forgotten, *, as_json: bool) -> None:
    if as_json:
        output.emit({"environment": env, **asdict(forgotten)})
        return
    output.line(f"Environment {env} is forgotten: {forgotten.objects} objects of the cluster.", bold=True)
    if forgotten.elsewhere:
        output.line(f"Resources that were elsewhere, and are destroyed: {forgotten.elsewhere}.")
    output.line(f"Nothing was looked at there: {forgotten.reason}.")
    output.line("Volumes, load balancers and disks of a cloud can outlive a cluster: look for them at its provider.")
