from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.option("--json", "as_json", is_flag=True, help="Print the script as the value of a JSON object.")
def command(shell: str, as_json: bool) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      seedbed completion bash >> ~/.bashrc
      seedbed completion zsh >> ~/.zshrc
      seedbed completion fish > ~/.config/fish/completions/seedbed.fish
    """
    from seedbed.cli import output
    from seedbed.cli.main import cli

    completion = get_completion_class(shell)
    if completion is None:  # pragma: no cover, the choices above are click's own
        raise click.UsageError(f"no completion for {shell}")
    source = completion(cli, {}, "seedbed", "_SEEDBED_COMPLETE").source()
    if as_json:
        output.emit({"shell": shell, "script": source})
    else:
        click.echo(source)
