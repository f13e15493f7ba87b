"""An environment on a cluster, as the verbs see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from seedbed import naming
from seedbed.environments.cluster import connection, demand, leftovers, preflight, release, workloads
from seedbed.environments.cluster.connection import Api
from seedbed.environments.cluster.errors import NoSuchContextError, UnreachableError
from seedbed.environments.cluster.finding import Finding, refuse_errors
from seedbed.environments.inventory import Inventory
from seedbed.environments.places import Running
from seedbed.environments.project import Project
from seedbed.environments.stack_config import environment_of
from seedbed.errors import ConflictError, SpecError

# Provisioners remove volumes, and controllers pods, a while after what they belong to is gone.
_SETTLING_SECONDS = 60.0
_PURPOSES = ("", "serving", "monitoring")
_PROVIDER = "pulumi:providers:kubernetes"
_WORKLOADS = {
    "kubernetes:apps/v1:Deployment": "Deployment",
    "kubernetes:apps/v1:StatefulSet": "StatefulSet",
    "kubernetes:batch/v1:Job": "Job",
}
_MANIFESTS = "kubeflow-pipelines.yaml"


@dataclass(frozen=True)
class OnCluster:
    """An environment on a cluster.

    Attributes:
        project: whose it is.
        name: the environment's.
        recorded: the resources in its state, providers included; empty when it isn't up.
        settling_seconds: how long what was destroyed may take to be gone.
    """

    project: Project
    name: str
    recorded: list[dict[str, Any]]
    settling_seconds: float = _SETTLING_SECONDS

    @property
    def label(self) -> str:
        """The value of the label on all of its objects."""
        return f"{self.project.spec.slug}.{self.name}"

    @property
    def context(self) -> str:
        """The context that it was made with; before that, the one that the spec names."""
        return self._recorded_context() or environment_of(self.project.spec, self.name).context

    @property
    def namespaces(self) -> list[str]:
        """The namespaces that it has or had, also without a state."""
        names = {naming.namespace_name(self.project.spec.slug, self.name, purpose) for purpose in _PURPOSES}
        return sorted(names | set(self._recorded_namespaces()))

    def prepare(self, say: Callable[[str], None], *, skip_checks: bool) -> list[str]:
        """Check the cluster, record a release, and obtain Kubeflow's manifests where the environment installs it.

        Raises:
            SeedbedError: the cluster can't be reached, or can't take the environment.
        """
        asked = demand.ask(self.project, self.name)
        say(f"Checking the cluster of context '{environment_of(self.project.spec, self.name).context}'")
        api = self._connect(environment_of(self.project.spec, self.name).context)
        where = f"The cluster of context '{api.context}'"
        refuse_errors(list(self._moved(api)), where, self.name, skippable=False)
        found = preflight.look(api, asked, self.label, self._recorded_namespaces())
        if not skip_checks:
            refuse_errors(found, where, self.name)
        self._record_release(api, say)
        self.bring_manifests(say)
        return [str(finding) for finding in found]

    def reach(self) -> None:
        """Make sure that the cluster answers; one that can't be reached may still run everything.

        Raises:
            SeedbedError: it does not answer, and nothing is known of what runs there.
        """
        self._reached()

    def look(self) -> Running:
        """Deployments, StatefulSets and Jobs, as ready as the cluster says."""
        recorded = [
            (kind, meta.get("namespace", ""), meta.get("name", ""))
            for resource in self.recorded
            if (kind := _WORKLOADS.get(resource["type"])) and (meta := _metadata(resource))
        ]
        return Running(workloads=[w.as_dict() for w in workloads.look(self._reached(), self.label, recorded)])

    def leftovers(self) -> Inventory:
        """Every object with its label, its namespaces and volumes."""
        return leftovers.settled(self._reached(), self.label, self.namespaces, self.settling_seconds)

    def unprotect(self) -> None:
        """Nothing does."""

    def blockers(self) -> list[str]:
        """What the cluster is still deleting, and what that waits for."""
        return leftovers.blockers(self._reached(), self.label, self.namespaces)

    def hand_over(self) -> dict[str, str]:
        """Nothing: whatever it makes on a cluster is its own."""
        return {}

    def on_cluster(self) -> OnCluster:
        """All of it."""
        return self

    def require_gone(self) -> str:
        """Why nothing can be known of the cluster.

        Raises:
            ConflictError: it answers, so it is not gone.
            SeedbedError: it answers, and refuses.
        """
        try:
            connection.connect(self.context)
        except (UnreachableError, NoSuchContextError) as error:
            return error.message
        raise ConflictError(
            f"The cluster of context '{self.context}' answers, so it is not gone; nothing was changed",
            hint=f"Run `seedbed down {self.name}` without --cluster-gone.",
        )

    def is_on_cluster(self, resource: dict[str, Any]) -> bool:
        """Whether a resource of the state is an object on the cluster, or the provider that makes them."""
        return f"{_PROVIDER}::" in resource.get("provider", "") or resource["type"] == _PROVIDER

    def _record_release(self, api: Api, say: Callable[[str], None]) -> None:
        """Have the state know of an image that CI released since."""
        if released := release.find(api, self.recorded):
            release.record(self.project, self.name, released, say)

    def _reached(self) -> Api:
        return self._connect(self.context)

    def _connect(self, context: str) -> Api:
        try:
            return connection.connect(context)
        except (UnreachableError, NoSuchContextError) as error:
            if self.recorded:
                error.hint += (
                    f" Its state is kept. If the cluster itself no longer exists:"
                    f" seedbed down {self.name} --cluster-gone --confirm {self.name}"
                )
            raise

    def _recorded_context(self) -> str:
        for resource in self.recorded:
            if resource["type"] == _PROVIDER and (context := resource.get("inputs", {}).get("context")):
                return str(context)
        return ""

    def _recorded_namespaces(self) -> list[str]:
        found = [_metadata(r).get("name") for r in self.recorded if r["type"] == "kubernetes:core/v1:Namespace"]
        return [str(name) for name in found if name]

    def _moved(self, api: Api) -> list[Finding]:
        """The spec names another context than the one that the environment was made with.

        Whatever that context stands for: the engine would delete all objects, data included, and make them anew.
        """
        before = self._recorded_context()
        if not before or before == api.context:
            return []
        renamed = ""
        if connection.server_of(before) in {None, api.server}:
            renamed = (
                f". If it is the same cluster under another name: kubectl config rename-context {api.context} {before}"
            )
        return [
            Finding(
                "error",
                f"The environment was made with context '{before}', and the spec says '{api.context}' now",
                f"Set context back. To move it: `seedbed down {self.name}`, then `up` with the new one{renamed}",
            )
        ]

    def bring_manifests(self, say: Callable[[str], None]) -> None:
        """Obtain Kubeflow's manifests, where the environment installs it and they are not there.

        Raises:
            SeedbedError: the spec names a file that isn't there, or none can be obtained.
        """
        environment = environment_of(self.project.spec, self.name)
        if environment.pipelines != "install" or environment.pipelines_host:
            return
        path = self.project.infra / (environment.pipelines_manifests or _MANIFESTS)
        if path.is_file():
            return
        if environment.pipelines_manifests:
            raise SpecError(
                f"[environments.{self.name}] pipelines_manifests names {path}, which does not exist",
                hint="Correct the path, or leave the key out to have the manifests fetched.",
            )
        from seedbed.toolchain import kubeflow

        kubeflow.ensure(self.project.infra, say)


def _metadata(resource: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {**resource.get("inputs", {}), **resource.get("outputs", {})}.get("metadata") or {}
    return found
