"""A generated project on disk: where it is, what its spec says, and whether its environment is ready."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from seedbed import spec as specs
from seedbed.errors import SpecError, ToolMissingError
from seedbed.spec_sources import read_toml

_SETUP_TIMEOUT = 1800.0


@dataclass(frozen=True)
class Project:
    """A generated project."""

    root: Path
    spec: specs.ProjectSpec

    @property
    def infra(self) -> Path:
        """The Pulumi program."""
        return self.root / "infra"

    @property
    def own_folder(self) -> Path:
        """What seedbed keeps beside the project and out of git: state, passphrase, local environments."""
        return self.root / ".seedbed"

    @property
    def scripts(self) -> Path:
        """The folder of the project's own Python and tools."""
        return self.root / ".venv" / "bin"

    def home(self, environment: str) -> Path:
        """The folder that holds everything of a local environment: data, logs, process records."""
        return self.own_folder / "environments" / environment


def find_project(start: Path | None = None) -> Project:
    """The project in `start`, or in the nearest folder above it; default: the current folder.

    Raises:
        SpecError: there is no spec, or it is not valid.
    """
    folder = (start or Path.cwd()).resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / specs.FILE_NAME).is_file():
            return Project(candidate, specs.parse(read_toml(candidate / specs.FILE_NAME)))
    raise SpecError(
        f"There is no {specs.FILE_NAME} in {folder} or above it",
        hint="Go into a generated project, name one with --project, or make one with `seedbed new`.",
    )


def ensure_ready(project: Project, say: Callable[[str], None]) -> None:
    """Install the project's locked dependencies with its own `make setup`, unless they are there already.

    Raises:
        ToolMissingError: `make` is missing, or the set-up failed; its output is kept in a file.
    """
    stamp, lock = project.root / ".venv" / ".ready", project.root / "requirements.lock"
    if stamp.is_file() and stamp.stat().st_mtime >= lock.stat().st_mtime:
        return
    say("Setting the project up (make setup): its locked dependencies, once")
    log = project.own_folder / "setup.log"
    log.parent.mkdir(exist_ok=True)
    environment = {
        key: value for key, value in os.environ.items() if key not in {"VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL"}
    }
    try:
        with log.open("w", encoding="utf-8") as file:
            result = subprocess.run(
                ["make", "setup"], cwd=project.root, env=environment, check=False, timeout=_SETUP_TIMEOUT,
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            )  # fmt: skip
    except FileNotFoundError:
        raise ToolMissingError("`make` is missing, and sets the project up", hint="Install GNU make.") from None
    except subprocess.TimeoutExpired:
        raise ToolMissingError(f"`make setup` was not done after {_SETUP_TIMEOUT:.0f} s", hint=f"See {log}") from None
    if result.returncode:
        tail = "\n".join(log.read_text(encoding="utf-8").splitlines()[-12:])
        raise ToolMissingError(f"`make setup` failed in {project.root}:\n{tail}", hint=f"All of its output is in {log}")
