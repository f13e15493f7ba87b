"""Which template layers a spec selects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from seedbed.resources import resource
from seedbed.spec import ProjectSpec

REQUIREMENTS = "requirements.in"
DEVELOPMENT_REQUIREMENTS = "requirements-dev.in"


@dataclass(frozen=True)
class Layer:
    """One folder of templates: everything a feature needs.

    `group` is the dependency group of the project that the layer's requirements go into; "core" are its dependencies.
    """

    name: str
    wanted: Callable[[ProjectSpec], bool]
    group: str = "core"

    @property
    def folder(self) -> Path:
        """Where the layer's templates are."""
        return resource("templates") / self.name

    @property
    def requirements(self) -> list[str]:
        """The layer's requirement files, as the lock's annotations name them."""
        names = (REQUIREMENTS, DEVELOPMENT_REQUIREMENTS)
        return [f"templates/{self.name}/{name}" for name in names if (self.folder / name).is_file()]


LAYERS = (
    Layer("core", lambda _: True),
    Layer("tracking-mlflow", lambda spec: spec.choices.tracking),
    Layer("tracking-files", lambda spec: not spec.choices.tracking),
    Layer("pipeline-kubeflow", lambda _: True, "pipeline"),
    Layer("serving", lambda spec: spec.choices.serving != "none", "serving"),
    Layer("serving-fastapi", lambda spec: spec.choices.serving == "fastapi", "serving"),
    Layer("serving-flask", lambda spec: spec.choices.serving == "flask", "serving"),
    Layer("monitoring", lambda spec: spec.choices.monitoring, "monitoring"),
    Layer("ci", lambda spec: spec.choices.ci != "none"),
    Layer("ci-deploy", lambda spec: spec.choices.ci != "none" and spec.choices.serving != "none"),
    Layer("ci-github", lambda spec: spec.choices.ci in {"github", "both"}),
    Layer("ci-github-drift", lambda spec: spec.choices.ci in {"github", "both"} and spec.choices.monitoring),
    Layer("ci-gitlab", lambda spec: spec.choices.ci in {"gitlab", "both"}),
    Layer("ci-gitlab-drift", lambda spec: spec.choices.ci in {"gitlab", "both"} and spec.choices.monitoring),
    Layer("license-apache", lambda spec: spec.project.license == "Apache-2.0"),
    Layer("license-mit", lambda spec: spec.project.license == "MIT"),
)


def requirements(layers: Iterable[Layer]) -> dict[str, list[str]]:
    """What each dependency group of a project asks for, so that its pyproject.toml says what its lock was made from."""
    groups: dict[str, set[str]] = {}
    for layer in layers:
        for group, name in ((layer.group, REQUIREMENTS), ("dev", DEVELOPMENT_REQUIREMENTS)):
            if (path := layer.folder / name).is_file():
                lines = path.read_text(encoding="utf-8").splitlines()
                groups.setdefault(group, set()).update(line for line in lines if line and not line.startswith("#"))
    return {group: sorted(lines) for group, lines in groups.items()}


def select(spec: ProjectSpec) -> list[Layer]:
    """The layers of a project, in the order in which they are rendered."""
    return [layer for layer in LAYERS if layer.wanted(spec)]
