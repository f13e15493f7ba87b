from __future__ import annotations

import json

import click


@click.command("schema")
@click.option("--json", "as_json", is_flag=True, help="Accepted for uniformity: the schema is JSON in any case.")
def command(as_json: bool) -> None:  # noqa: ARG001
    """Print the JSON schema of seedbed.toml.

    \b
    Example:
      seedbed schema > seedbed.schema.json
    """
    from seedbed import spec

    click.echo(json.dumps(spec.json_schema(), indent=2))
