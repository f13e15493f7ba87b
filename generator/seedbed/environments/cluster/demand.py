"""What an environment will ask of its cluster, by the word of the project's own infra/."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from seedbed.environments import questions
from seedbed.environments.project import Project


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


@dataclass(frozen=True)
class Grant:
    """What `up` allows an account of the environment's own.

    Attributes:
        namespace: in which.
        group: of the API.
        resource: plural; a subresource after a slash.
        name: of the only object; empty: all of them.
        verbs: what may be done.
    """

    namespace: str
    group: str
    resource: str
    name: str
    verbs: list[str]


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
    grants: list[Grant] = field(default_factory=list)


def ask(project: Project, name: str) -> Demand:
    """Run the question in the project's infra/, which alone knows the sizes of its parts.

    Raises:
        SpecError: infra/ refuses a value of the environment's configuration.
        InfrastructureError: it has no answer: it is damaged, or of a version without clusters.
    """
    about = f"what environment '{name}' needs of a cluster"
    answer: dict[str, Any] = questions.answer(project, name, "demand", about)
    answer["workloads"] = [Workload(**workload) for workload in answer["workloads"]]
    answer["rights"] = [Right(**right) for right in answer["rights"]]
    # The infra/ of an older project doesn't say it.
    answer["grants"] = [Grant(**grant) for grant in answer.get("grants", ())]
    return Demand(**answer)
