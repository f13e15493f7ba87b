from __future__ import annotations

from pathlib import Path

import click

from seedbed.cli import output
from seedbed.cli.options import json_option, project_option


@click.command("doctor")
@project_option
@click.option("--fix", is_flag=True, help="Obtain the Pulumi CLI if it is missing.")
@json_option
def command(project: Path | None, fix: bool, as_json: bool) -> None:
    """Check that everything seedbed needs is there.

    \b
    Examples:
      seedbed doctor
      seedbed doctor --fix     also obtains the Pulumi CLI
    """
    from seedbed import checks, toolchain
    from seedbed.errors import ToolMissingError

    if fix:
        toolchain.obtain(lambda text: output.line(text, err=True))
    found = checks.run(project)
    failed = [check for check in found if not check.ok and check.needed]
    if as_json and not failed:
        output.emit({"checks": [check.as_dict() for check in found]})
        return
    if not as_json:
        for check in found:
            missing = "MISSING" if check.needed else "no"
            output.line(
                f"  {'ok' if check.ok else missing:<9}{check.name:<20}{check.found}",
                fg=None if check.ok else "red",
            )
            if not check.ok:
                output.line(f"{'':<31}{check.hint}")
    if failed:
        names = ", ".join(check.name for check in failed)
        raise ToolMissingError(
            f"Not ready: {names}",
            hint="See above." if not as_json else "; ".join(check.hint for check in failed),
            details={"checks": [check.as_dict() for check in found]},
        )
    output.line("Ready.", bold=True)
