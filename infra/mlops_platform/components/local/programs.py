"""Programs and modules that an environment's processes run."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

from mlops_platform.errors import PlatformError

_VERSION_SECONDS = 30


def find_program(name: str, package: str) -> str:
    """Absolute path of a program that a Python package brings, that of the active environment first.

    Raises:
        PlatformError: it is neither there nor on PATH.
    """
    scripts = sysconfig.get_path("scripts")
    found = shutil.which(name, path=scripts) or shutil.which(name)
    if not found:
        raise _missing(f"The program {name} is neither in {scripts} nor on PATH", package)
    return found


def find_installed(*names: str, variable: str = "") -> str | None:
    """Absolute path of a program of this machine, or None: the one that the variable names, else the first on PATH.

    Raises:
        PlatformError: the variable names something that can't be run.
    """
    if variable and (named := os.environ.get(variable)):
        if found := shutil.which(Path(named).absolute()):
            return str(found)
        raise PlatformError(
            f"The variable {variable} says {named}, and no program is there",
            f"Correct it, or unset {variable} to use what is on PATH.",
        )
    return next((str(Path(found).absolute()) for name in names if (found := shutil.which(name))), None)


def reported_version(program: str, *, expect: str) -> str:
    """The first line that a program prints when asked for its version.

    Args:
        program: absolute path.
        expect: a word of that line, by which another program of the same name is told apart.

    Raises:
        PlatformError: it doesn't run, or is another program.
    """
    try:
        result = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=True,
            stdin=subprocess.DEVNULL, errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise PlatformError(
            f"{program} doesn't tell its version: {error}", "Install it again, or take it off PATH."
        ) from error
    version = (result.stdout or result.stderr).strip().partition("\n")[0]
    if expect not in version:
        raise PlatformError(
            f"{program} is not what was looked for: it calls itself {version[:80]!r}, without the word {expect}",
            "Put the right program before it on PATH.",
        )
    return version


def require_module(name: str, package: str) -> None:
    """Make sure that the active environment has a module, without importing it.

    Raises:
        PlatformError: it hasn't.
    """
    if importlib.util.find_spec(name) is None:
        raise _missing(f"The Python module {name} is not in {sysconfig.get_path('purelib')}", package)


def installed_version(package: str) -> str:
    """The version of an installed package; empty for a program that comes from elsewhere."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _missing(problem: str, package: str) -> PlatformError:
    return PlatformError(
        problem,
        f"Install the project's dependencies (`make setup`; the package is {package}), and run Pulumi with the "
        "project's .venv/bin first on PATH.",
    )
