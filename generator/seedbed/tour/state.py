"""What the steps of a tour share."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from seedbed.environments.operations import Progress
from seedbed.environments.project import Project, find_project
from seedbed.tour import shell
from seedbed.tour.report import Report
from seedbed.tour.service import Service


@dataclass
class Tour:
    """The folders of the tour, the variables of its environment, and what is running."""

    PROJECT: ClassVar[str] = "flight-delays"
    ENVIRONMENT: ClassVar[str] = "dev"

    into: Path
    progress: Progress
    report: Report = field(default_factory=Report)
    months: dict[int, Path] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    services: list[Service] = field(default_factory=list)

    @property
    def root(self) -> Path:
        """The generated project."""
        return self.into / self.PROJECT

    @property
    def logs(self) -> Path:
        """The output of every command that the tour runs."""
        return self.into / "logs"

    @property
    def project(self) -> Project:
        """The generated project, as the other commands see it."""
        return find_project(self.root)

    @property
    def package(self) -> str:
        """The project's Python package."""
        return self.project.spec.package

    def python(self, *arguments: str, log: str, folder: Path | None = None) -> str:
        """Run the project's own Python with these arguments, and give back what it printed."""
        return self.tool("python", *arguments, log=log, folder=folder)

    def tool(self, name: str, *arguments: str, log: str, folder: Path | None = None) -> str:
        """Run a program of the project's environment, or of the machine."""
        own = self.project.scripts / name
        command = [str(own) if own.is_file() else name, *arguments]
        return shell.run(command, folder or self.root, variables=self.shell_variables(), log=self.logs / f"{log}.log")

    def write_running(self) -> None:
        """Say in running.json what was left running, where to look at it, and how to end it."""
        look = {"MLflow": self.variables["MLFLOW_TRACKING_URI"], "drift report": str(self.into / "drift.html")}
        look |= {running.name: running.url for running in self.services}
        pids = " ".join(str(running.process.pid) for running in self.services)
        down = f"kill {pids}; seedbed down {self.ENVIRONMENT} --yes --project {shlex.quote(str(self.root))}"
        content = {"project": str(self.root), "look": look, "down": down}
        (self.into / "running.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def shell_variables(self) -> dict[str, str]:
        """The variables of a shell in which the project and its environment are active."""
        # git needs an author for the tour's commits, whoever runs it.
        author = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
                  for what, value in (("NAME", "seedbed tour"), ("EMAIL", "tour@localhost"))}  # fmt: skip
        path = os.pathsep.join([str(self.project.scripts), os.environ.get("PATH", os.defpath)])
        return {**author, "PATH": path, "VIRTUAL_ENV": str(self.project.scripts.parent), **self.variables}
