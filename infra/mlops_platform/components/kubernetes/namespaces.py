"""The namespaces of an environment, what may run in them, and how much of it."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes import layout, quantities
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.settings import Settings

_COMPONENT = "namespace"
# What is enforced stays as it was when our pods were last tested against it (a server that is older enforces the newest
# that it knows): with "latest", a cluster's upgrade could refuse a pod that only moves to another node. What a newer
# server would refuse shows as a warning at the next `up`, and in its audit log.
_ENFORCED_VERSION = "v1.36"
_POD_SECURITY = {
    f"pod-security.kubernetes.io/{mode}{suffix}": value
    for mode, version in (("enforce", _ENFORCED_VERSION), ("audit", "latest"), ("warn", "latest"))
    for suffix, value in (("", "restricted"), ("-version", version))
}
# A Deployment may have a whole new set of pods before the old one is gone, for pods that are shutting down count too;
# and a changed set-up job starts while its forerunner is being removed.
_UPDATING = 2
# For a container that says nothing: ours all do, and somebody's debugging pod must not be refused by the quota.
_DEFAULT_REQUEST = {"cpu": "50m", "memory": "128Mi"}
_DEFAULT_LIMIT = {"memory": "512Mi"}


class Namespaces(pulumi.ComponentResource):
    """An environment's namespaces, of which only those are made that its choices need.

    Pods in them must meet the `restricted` Pod Security Standard. A quota bounds what a mistake or a stolen account can
    take of the cluster.

    Args:
        name: Pulumi name.
        cluster: where.
        opts: Pulumi options.

    Attributes:
        platform: name of the namespace of store, registry and tracking. As an output of the namespace itself, it makes
            whatever is put there wait for it, and go before it.
        serving: that of the model service; None without one.
        monitoring: that of Prometheus and its company; None without them.
    """

    platform: pulumi.Output[str]
    serving: pulumi.Output[str] | None
    monitoring: pulumi.Output[str] | None

    def __init__(self, name: str, *, cluster: Cluster, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:kubernetes:Namespaces", name, None, opts)
        self._made = {purpose: self._namespace(cluster, purpose) for purpose in layout.purposes(cluster.settings)}
        self.platform = self._made[layout.PLATFORM]
        self.serving = self._made.get(layout.SERVING)
        self.monitoring = self._made.get(layout.MONITORING)
        self.register_outputs({"platform": self.platform, "serving": self.serving, "monitoring": self.monitoring})

    def of(self, purpose: str) -> pulumi.Output[str]:
        """The namespace of a purpose that the environment's choices need.

        Raises:
            KeyError: they don't.
        """
        return self._made[purpose]

    def _namespace(self, cluster: Cluster, purpose: str) -> pulumi.Output[str]:
        title = purpose or "platform"
        own = cluster.metadata(cluster.namespace(purpose), _COMPONENT, labels=_POD_SECURITY)
        namespace = kubernetes.core.v1.Namespace(f"namespace-{title}", metadata=own, opts=cluster.child(self))
        made: pulumi.Output[str] = namespace.metadata["name"]
        kubernetes.core.v1.ResourceQuota(
            f"quota-{title}",
            metadata=cluster.metadata("quota", _COMPONENT, namespace=made),
            spec={"hard": quota(cluster.settings, purpose)},
            opts=cluster.child(self),
        )
        kubernetes.core.v1.LimitRange(
            f"limits-{title}",
            metadata=cluster.metadata("defaults", _COMPONENT, namespace=made),
            spec={
                "limits": [{"type": "Container", "default_request": _DEFAULT_REQUEST, "default": _DEFAULT_LIMIT}],
            },
            opts=cluster.child(self),
        )
        return made


def quota(settings: Settings, purpose: str) -> dict[str, str]:
    """The most that a namespace may hold: all its parts at their largest, twice.

    Nothing in it gets a load balancer, which costs money and is open to the world; a node port is the registry's alone.
    """
    cpu = memory = storage = pods = volumes = 0
    for part in layout.parts(settings):
        if part.purpose == purpose:
            workload = layout.workload(settings, part.name)
            most = _UPDATING * part.workloads * max(workload.replicas, workload.most)
            pods += most
            for container in (workload, *layout.helpers(settings, part.name)):
                cpu += most * quantities.millicores(container.cpu)
                memory += most * quantities.size(container.memory)
            volumes += most if workload.storage else 0
            storage += most * quantities.size(workload.storage)
    registry = any(part.purpose == purpose and part.name == "registry" for part in layout.parts(settings))
    return {
        "pods": str(pods),
        "requests.cpu": quantities.cpu_text(cpu),
        "requests.memory": quantities.size_text(memory),
        "limits.memory": quantities.size_text(memory),
        "persistentvolumeclaims": str(volumes),
        "requests.storage": quantities.size_text(storage),
        "services.loadbalancers": "0",
        "services.nodeports": "1" if registry else "0",
    }
