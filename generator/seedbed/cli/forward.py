from __future__ import annotations

from pathlib import Path

import click

from seedbed.cli import output
from seedbed.cli.options import environment_argument, json_option, project_option


@click.command("forward", context_settings={"allow_interspersed_args": False})
@environment_argument
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@project_option
@json_option
def command(env: str, command: tuple[str, ...], project: Path | None, as_json: bool) -> int:
    """Reach what runs inside a cluster from this machine.

    With a command: runs it with the environment's variables, and ends with its exit code. Without one: prints the
    variables and keeps the connections until Ctrl-C. `-C` and `--json` go before ENV.

    It needs kubectl, and on AWS the AWS CLI.

    \b
    Examples:
      seedbed forward prod make push
      seedbed forward prod > .env        in one terminal; work in another
    """
    import os
    import subprocess
    import time

    from seedbed.cli.progress import shown
    from seedbed.environments import forwarding, operations, variables
    from seedbed.environments.project import find_project
    from seedbed.environments.stack_config import environment_of
    from seedbed.errors import ToolMissingError
    from seedbed.signals import termination_as_interrupt

    found = find_project(project)
    environment = environment_of(found.spec, env)
    with shown(quiet=True) as progress:
        outputs = operations.outputs(found, env, progress)

    def say(text: str) -> None:
        click.echo(text, err=True)

    with (
        termination_as_interrupt(),
        forwarding.cluster_options(env, environment, outputs) as options,
        forwarding.forwarded(outputs, options, say) as reachable,
    ):
        values = variables.from_outputs(reachable)
        if command:
            try:
                return subprocess.run(command, env={**os.environ, **values}, check=False).returncode
            except OSError as error:
                raise ToolMissingError(f"{command[0]} can't be run: {error.strerror}") from error
        if as_json:
            output.emit({"environment": env, "variables": values})
        else:
            click.echo("\n".join(variables.lines(values, "dotenv")))
            say("Connected; Ctrl-C ends it.")
        while True:
            time.sleep(3600)
