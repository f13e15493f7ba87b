"""Which template layers a spec selects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from seedbed.resources import resource
from seedbed.spec import ProjectSpec

REQUIREMENTS = "requirements.in"
DEVELOPMENT_REQUIREMENTS = "requirements-dev.in"


@dataclass(frozen=True)
class Layer:
    """One folder of templates: everything a feature needs."""

    name: str
    wanted: Callable[[ProjectSpec], bool]

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
    Layer("pipeline-kubeflow", lambda _: True),
    Layer("serving-fastapi", lambda spec: spec.choices.serving == "fastapi"),
    Layer("monitoring", lambda spec: spec.choices.monitoring),
    Layer("ci-github", lambda spec: spec.choices.ci == "github"),
    Layer("license-apache", lambda spec: spec.project.license == "Apache-2.0"),
    Layer("license-mit", lambda spec: spec.project.license == "MIT"),
)


def select(spec: ProjectSpec) -> list[Layer]:
    """The layers of a project, in the order in which they are rendered."""
    return [layer for layer in LAYERS if layer.wanted(spec)]
