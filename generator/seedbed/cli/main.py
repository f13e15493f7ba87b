"""The entry point: one registry of commands, loaded when they are called, and one place where errors end."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import click

from seedbed import __version__
from seedbed.cli import output
from seedbed.errors import SeedbedError

# Name → module, and the line that the overview shows; a test holds it to the command's own help.
COMMANDS: dict[str, tuple[str, str]] = {
    "new": ("seedbed.cli.new", "Generate a project: repository and infrastructure."),
    "preview": ("seedbed.cli.preview", "Show what `up` would change, and change nothing."),
    "up": ("seedbed.cli.up", "Bring an environment up, or repair it."),
    "cost": ("seedbed.cli.cost", "Say what an environment costs, an hour and a month."),
    "status": ("seedbed.cli.status", "Show what an environment runs and whether it is alive."),
    "outputs": ("seedbed.cli.outputs", "Print what programs need to reach an environment."),
    "forward": ("seedbed.cli.forward", "Reach what runs inside a cluster from this machine."),
    "state": ("seedbed.cli.state", "Show where an environment's state is, or share it with a team."),
    "refresh": ("seedbed.cli.refresh", "Compare the recorded state with what really runs."),
    "down": ("seedbed.cli.down", "Take an environment down and prove that nothing is left."),
    "tour": (
        "seedbed.cli.tour",
        "Run the whole way on real data, from `new` to `down`.",
    ),
    "repository-ids": (
        "seedbed.cli.repository_ids",
        "Find the numbers in the tokens of a GitHub repository's CI.",
    ),
    "doctor": ("seedbed.cli.doctor", "Check that everything seedbed needs is there."),
    "schema": ("seedbed.cli.schema", "Print the JSON schema of seedbed.toml."),
    "completion": ("seedbed.cli.completion", "Print the completion script of a shell."),
}

EPILOG = """\b
Exit codes: 0 done, 1 internal error, 2 usage, 3 spec, 4 template, 5 conflict or
refusal, 6 a needed tool is missing, 7 infrastructure, 130 interrupted.
"""


class Commands(click.Group):
    """Loads a command's module only when that command runs: imports are most of a small command's time."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            if not close:
                raise
            raise click.UsageError(f"{error.message} Did you mean '{close[0]}'?", ctx) from None


@click.group(
    cls=Commands,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="seedbed %(version)s")
def cli() -> None:
    """Machine learning in production without months of plumbing.

    One spec gives a complete MLOps repository and the infrastructure it runs on.

    \b
    Start here:
      seedbed tour                      the whole way on real data, in a few minutes
      seedbed new                       your own project, by a few questions
      cd my-project && seedbed up dev   its object store and experiment tracking
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    arguments = list(sys.argv[1:] if args is None else args)
    sys.exit(_run(arguments))


def _run(arguments: list[str]) -> int:  # noqa: PLR0911, one return for each exit code
    as_json = "--json" in arguments
    try:
        result = cli.main(arguments, prog_name="seedbed", standalone_mode=False, color=output.color())
        return result if isinstance(result, int) else 0
    except SeedbedError as error:
        output.report(error, as_json=as_json)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help(), color=output.color())
        return 0
    except click.ClickException as error:
        output.report_usage(error, as_json=as_json)
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001, the edge: nothing may end in a bare traceback
        output.report_internal(error, as_json=as_json)
        return 1


if __name__ == "__main__":
    main()
