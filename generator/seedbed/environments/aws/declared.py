"""What an environment on AWS consists of, by the word of the project's own infra/."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seedbed.environments import questions
from seedbed.environments.project import Project
from seedbed.environments.stack_config import environment_of

_MANIFESTS = "kubeflow-pipelines.yaml"


@dataclass(frozen=True)
class Declared:
    """A resource as the program declares it.

    Attributes:
        type: Pulumi's token, such as "aws:s3/bucket:Bucket".
        name: Pulumi's name of it.
        inputs: under the names that its provider knows.
    """

    type: str
    name: str
    inputs: dict[str, Any]


def ask(project: Project, name: str) -> list[Declared]:
    """Everything that `up` would have in the environment, except what its cluster makes by itself.

    Kubeflow's objects are left out while its manifests are not there yet: they cost nothing, and what runs of them is
    part of `demand`.

    Raises:
        SpecError: infra/ refuses a value of the environment's configuration.
        InfrastructureError: it has no answer.
    """
    environment = environment_of(project.spec, name)
    manifests = project.infra / (environment.pipelines_manifests or _MANIFESTS)
    without = {} if manifests.is_file() or environment.variant != "platform" else {"pipelines": "none"}
    about = f"what environment '{name}' consists of"
    return [Declared(**found) for found in questions.answer(project, name, "recording", about, **without)]
