"""What `seedbed doctor` looks at."""

from __future__ import annotations

import dataclasses
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedbed import toolchain
from seedbed.environments import inventory, stack
from seedbed.environments.project import Project, find_project
from seedbed.errors import SeedbedError, SpecError

_DISK_NEEDED_GB = 4


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was found, whether it is enough, and what to do if not."""

    name: str
    ok: bool
    found: str
    hint: str = ""
    needed: bool = True

    def as_dict(self) -> dict[str, Any]:
        """The check as `--json` shows it."""
        return dataclasses.asdict(self)


def run(project_folder: Path | None) -> list[Check]:
    """All checks; those about a project only inside one."""
    checks = [
        Check("Python", True, platform.python_version()),
        _tool("git", "Install git: DVC and the project's history need it."),
        _tool("make", "Install GNU make: the project's verbs are make targets."),
        _tool(
            "kubectl",
            "Optional: it fetches Kubeflow's manifests for an environment on a cluster, and shows what runs there.",
            needed=False,
            version=("version", "--client"),
        ),
        _tool("uv", "Optional: with it the first set-up takes seconds instead of minutes.", needed=False),
        _pulumi(),
        _disk(),
    ]
    try:
        project = find_project(project_folder)
    except SpecError as error:
        outside = "There is no" in error.message
        checks.append(
            Check("project", False, "none here" if outside else error.message, error.hint, needed=not outside)
        )
        return checks
    return [*checks, *_project(project)]


def _tool(name: str, hint: str, *, needed: bool = True, version: tuple[str, ...] = ("--version",)) -> Check:
    path = shutil.which(name)
    if path is None:
        return Check(name, False, "not found", hint, needed)
    try:
        result = subprocess.run([path, *version], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(name, False, f"{path} does not run: {error}", hint, needed)
    return Check(name, True, (result.stdout or result.stderr).strip().splitlines()[0])


def _pulumi() -> Check:
    cli = toolchain.find()
    if cli is None:
        return Check("Pulumi CLI", False, "not found", "Run `seedbed doctor --fix`, or install it from pulumi.com.")
    by_hand = "" if cli.origin == "PATH" else f" (to use it by hand: export PATH={cli.folder}:$PATH)"
    return Check("Pulumi CLI", True, f"{cli.version} from {cli.origin}{by_hand}")


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    hint = f"A project's environment and data need about {_DISK_NEEDED_GB} GB."
    return Check("disk", free > _DISK_NEEDED_GB, f"{free:.0f} GB free", hint)


def _project(project: Project) -> list[Check]:
    ready = (project.root / ".venv" / ".ready").is_file()
    checks = [
        Check("project", True, f"{project.spec.project.name} in {project.root}"),
        Check(
            "dependencies",
            ready,
            "installed" if ready else "not installed",
            "Run `make setup`.",
            needed=False,
        ),
    ]
    if any(environment.target == "kubernetes" for environment in project.spec.environments.values()):
        checks.append(_kubernetes_plugin(project))
    return [*checks, *(_environment(project, name) for name in project.spec.environments)]


def _environment(project: Project, name: str) -> Check:
    if project.spec.environments[name].target == "kubernetes":
        return _on_cluster(project, name)
    running = len(inventory.marked_processes(project.home(name)))
    state = f"up, {running} processes" if stack.exists(project, name) else "not up"
    orphans = running and not stack.exists(project, name)
    hint = f"Run `seedbed up {name}`, then `seedbed down {name}`."
    return Check(f"environment {name}", not orphans, state, hint)


def _on_cluster(project: Project, name: str) -> Check:
    """Whether the environment's cluster answers; one that is switched off stops nothing else."""
    from seedbed.environments.cluster import connection

    context = project.spec.environments[name].context
    state = "up" if stack.exists(project, name) else "not up"
    try:
        server = connection.connect(context).server
    except SeedbedError as error:
        return Check(f"environment {name}", False, f"{state}; {error.message}", error.hint, needed=False)
    return Check(f"environment {name}", True, f"{state}; its cluster {context} answers at {server}")


def _kubernetes_plugin(project: Project) -> Check:
    """Pulumi's program for clusters: on PATH, installed for this person, or to be downloaded by the first `up`."""
    title, program = "Kubernetes plugin", "pulumi-resource-kubernetes"
    if found := shutil.which(program):
        return Check(title, True, found)
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    if installed := sorted(path.parent.name for path in home.glob(f"plugins/resource-kubernetes-v*/{program}*")):
        return Check(title, True, installed[-1].removeprefix("resource-kubernetes-"))
    locked = re.search(r"^pulumi-kubernetes==(\S+)", _text(project.root / "requirements.lock"), re.MULTILINE)
    version = locked[1] if locked else "VERSION"
    hint = (
        "The first `up` downloads it. Without a network:"
        f" pulumi plugin install resource kubernetes {version} --file ARCHIVE"
    )
    return Check(title, False, "not installed", hint, needed=False)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
