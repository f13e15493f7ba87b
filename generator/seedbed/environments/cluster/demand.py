"""What an environment will ask of its cluster, by the word of the project's own infra/."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from seedbed.environments.project import Project
from seedbed.environments.stack_config import PROGRAM, stack_config
from seedbed.errors import InfrastructureError, SpecError

_SECONDS = 60.0
_REFUSED = 3


@dataclass(frozen=True)
class Workload:
    """Pods of one kind.

    Attributes:
        name: of the component.
        cpu: that each asks for, in Kubernetes' units.
        memory: likewise.
        storage: of each one's volume; empty: it has none.
        replicas: how many there are at the start.
        spread: the amounts are those of many small pods together.
    """

    name: str
    cpu: str
    memory: str
    storage: str
    replicas: int
    spread: bool = False


@dataclass(frozen=True)
class Right:
    """A kind of object that `up` makes, in its namespaces or on the cluster itself."""

    group: str
    resource: str
    namespaced: bool

    @property
    def full_name(self) -> str:
        """As `kubectl auth can-i` takes it, such as "deployments.apps"."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


@dataclass(frozen=True, kw_only=True)
class Demand:
    """As `mlops_platform.demand` describes it; what is empty or zero is not needed."""

    namespaces: list[str]
    kubeflow_namespace: str
    definitions: list[str]
    workloads: list[Workload]
    storage_class: str
    node_port: int
    ingress: bool
    ingress_class: str
    cluster_issuer: str
    scales: bool
    rights: list[Right]


def ask(project: Project, name: str) -> Demand:
    """Run the question in the project's infra/, which alone knows the sizes of its parts.

    Raises:
        SpecError: infra/ refuses a value of the environment's configuration.
        InfrastructureError: it has no answer: it is damaged, or of a version without clusters.
    """
    config = {key.removeprefix(f"{PROGRAM}:"): value for key, value in stack_config(project.spec, name).items()}
    result = subprocess.run(
        [sys.executable, "-m", "mlops_platform.demand"],
        cwd=project.infra, input=json.dumps({"stack": name, "config": config}), text=True, capture_output=True,
        timeout=_SECONDS, check=False, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONSAFEPATH": ""},
    )  # fmt: skip
    if result.returncode not in {0, _REFUSED}:
        said = result.stderr.strip().splitlines()[-1:] or ["no message"]
        raise InfrastructureError(
            f"{project.infra} can't say what environment '{name}' needs of a cluster: {said[0]}",
            hint="Restore infra/ from the project's history, or generate the project with this seedbed.",
        )
    answer: dict[str, Any] = json.loads(result.stdout)
    if result.returncode == _REFUSED:
        raise SpecError(answer["problem"], hint=f"Set another value in [environments.{name}] of seedbed.toml.")
    answer["workloads"] = [Workload(**workload) for workload in answer["workloads"]]
    answer["rights"] = [Right(**right) for right in answer["rights"]]
    return Demand(**answer)
