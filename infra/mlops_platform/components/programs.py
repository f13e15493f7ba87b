"""Programs and modules that an environment's processes run, from the active Python environment."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import sysconfig

from mlops_platform.errors import PlatformError


def find_program(name: str, package: str) -> str:
    """Absolute path of a program, that of the active environment first.

    Raises:
        PlatformError: it is neither there nor on PATH.
    """
    scripts = sysconfig.get_path("scripts")
    found = shutil.which(name, path=scripts) or shutil.which(name)
    if not found:
        raise _missing(f"The program {name} is neither in {scripts} nor on PATH", package)
    return found


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
