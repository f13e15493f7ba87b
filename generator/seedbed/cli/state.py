from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path

import click

from seedbed.cli import output
from seedbed.cli.options import environment_argument, json_option, project_option


@click.group("state")
def command() -> None:
    """Show where an environment's state is, or share it with a team.

    \b
    Examples:
      seedbed state show prod
      seedbed state move prod
    """


@command.command("show")
@environment_argument
@project_option
@click.option(
    "--format", "style", type=click.Choice(["text", "shell"]), default="text", show_default=True,
    help="shell: the variable with which plain `pulumi` in infra/ uses the same state.",
)  # fmt: skip
@json_option
def show(env: str, project: Path | None, style: str, as_json: bool) -> None:
    """Show where the state is, what locks its secrets, and who is changing the environment.

    \b
    Examples:
      seedbed state show prod
      eval "$(seedbed state show prod --format shell)"
    """
    from seedbed.environments import moving
    from seedbed.environments.project import find_project

    found = moving.show(find_project(project), env)
    if as_json:
        output.emit(found.as_dict())
        return
    if style == "shell":
        output.line(f"export PULUMI_BACKEND_URL={shlex.quote(found.url)}")
        return
    output.line(f"Environment {env}: {found.resources} resources on record", bold=True)
    output.line(f"  {'state':<10}{found.url}")
    output.line(f"  {'secrets':<10}{found.secrets_provider or 'under the passphrase'}")
    for lock in found.locks:
        since = datetime.fromtimestamp(lock.since, UTC).strftime("%Y-%m-%d %H:%M UTC")
        output.line(f"  {'locked':<10}by {lock.user}@{lock.host}, process {lock.pid}, since {since}")


@command.command("move")
@environment_argument
@project_option
@click.option(
    "--to",
    default="",
    metavar="URL",
    help="An existing bucket, such as s3://acme-state?region=eu-west-1; its secrets stay under the passphrase."
    " Without it, a bucket and a key are made in the environment's AWS account.",
)
@json_option
def move(env: str, project: Path | None, to: str, as_json: bool) -> None:
    """Move an environment's state to a bucket, so that colleagues and CI work on the same one.

    On AWS the bucket has versions and is closed to the public, and a key of KMS takes the passphrase's place.
    The state stays where it is until its copy is proven to be the same. A command that was
    interrupted can be run again. An environment that isn't up yet begins in the bucket.

    \b
    Examples:
      seedbed state move prod
      seedbed state move team --to 's3://acme-state?region=eu-west-1'
    """
    from seedbed.cli.progress import shown
    from seedbed.environments import moving
    from seedbed.environments.project import find_project

    found = find_project(project)
    with shown(quiet=as_json) as progress:
        moved = moving.move(found, env, progress, to=to)
    if as_json:
        output.emit(moved.as_dict())
        return
    output.line(f"The state of {env} is in {moved.url}: {moved.resources} resources.", bold=True)
    if moved.backup:
        output.line(f"As it was before, it is in {moved.backup}; nothing reads that file any more.")
    output.line(f"Next: commit infra/Pulumi.{env}.yaml, which tells others, and see `seedbed state show {env}` for CI.")
