"""Run the commands that a person would type, keep all of their output, and show its end when one fails."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from seedbed.errors import InfrastructureError, ToolMissingError

TIMEOUT = 900.0
_INHERITED_BY_MAKE = {"VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}


def clean_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, without what an outer make or venv left in it, and with `variables`."""
    inherited = {key: value for key, value in os.environ.items() if key not in _INHERITED_BY_MAKE}
    return {**inherited, **variables}


def run(command: list[str], folder: Path, *, variables: Mapping[str, str], log: Path, timeout: float = TIMEOUT) -> str:
    """Run one command to its end and return its output.

    Args:
        command: program and arguments; nothing goes through a shell.
        folder: where to run it.
        variables: added to the environment.
        log: the file that the command and its whole output are added to.
        timeout: seconds after which it is stopped.

    Raises:
        InfrastructureError: it failed or took too long.
        ToolMissingError: there is no such program.
    """
    shown = " ".join(command)
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        result = subprocess.run(
            command, cwd=folder, env=clean_environment(variables), timeout=timeout, check=False, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except FileNotFoundError:
        raise ToolMissingError(f"{command[0]} is missing", hint=f"Install it: the tour runs `{shown}`.") from None
    except subprocess.TimeoutExpired as error:
        raise InfrastructureError(f"`{shown}` was not done after {timeout:.0f} s", hint=f"See {log}") from error
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {shown}\n{result.stdout}\n")
    if result.returncode:
        tail = "\n".join(result.stdout.splitlines()[-15:])
        raise InfrastructureError(
            f"`{shown}` failed with exit code {result.returncode}:\n{tail}", hint=f"All output is in {log}"
        )
    return result.stdout
