"""Which parts an environment on a cluster has, in which namespace each of them runs, and at which port it answers."""

from __future__ import annotations

from dataclasses import dataclass

from mlops_platform.components.kubernetes.sizes import SEAWEEDFS_HELPERS, SIZES, Workload
from mlops_platform.settings import Settings

# The purposes of the namespaces, as `Cluster.namespace` takes them; the first is the platform's own.
PLATFORM, SERVING, MONITORING = "", "serving", "monitoring"
# Kubeflow's own manifests know no other name.
KUBEFLOW = "kubeflow"
# The port of each part's Service and pods.
PORTS = {
    "store": 9000,
    "registry": 5000,
    "database": 5432,
    "tracking": 5000,
    "service": 8000,
    "prometheus": 9090,
    "alertmanager": 9093,
    "grafana": 3000,
    "drift": 9100,
    "retraining": 9100,
}
MESH_PORT = 9094  # at which Alertmanager's pods talk to each other, over TCP and UDP
PIPELINES_PORT = 8888  # of Kubeflow's server, by its own manifests
_WORKLOADS = {"drift": 2}  # what Prometheus scrapes, and the report of each night


@dataclass(frozen=True)
class Part:
    """A component's pods.

    Attributes:
        name: the component's, as its label says it.
        purpose: of the namespace that they run in.
        workloads: how many objects each have as many pods as its size says.
    """

    name: str
    purpose: str
    workloads: int = 1


def parts(settings: Settings) -> tuple[Part, ...]:
    """What an environment's choices bring into our namespaces; Kubeflow has one of its own.

    The model service counts from the start, though it runs from the first image on: its namespace and what guards it
    are there before it.
    """
    options = settings.kubernetes
    assert options is not None  # noqa: S101 - `settings.load` sets them for this target
    chosen = {
        PLATFORM: {
            "store": settings.store.kind != "s3",
            "setup": settings.store.kind != "s3",
            "registry": settings.target == "kubernetes" and not options.registry,
            "database": settings.tracking,
            "tracking": settings.tracking,
        },
        SERVING: {"service": settings.serving},
        MONITORING: {
            **dict.fromkeys(("prometheus", "alertmanager", "grafana", "drift"), settings.monitoring),
            # It submits a pipeline, and there must be somebody to take it.
            "retraining": settings.monitoring and (options.pipelines == "install" or bool(options.pipelines_host)),
        },
    }
    return tuple(
        Part(name, purpose, _WORKLOADS.get(name, 1))
        for purpose, names in chosen.items()
        for name, wanted in names.items()
        if wanted
    )


def purposes(settings: Settings) -> tuple[str, ...]:
    """The namespaces that an environment has. The platform's own is always there: CI's account lives in it."""
    wanted = {part.purpose for part in parts(settings)} | {PLATFORM}
    return tuple(purpose for purpose in (PLATFORM, SERVING, MONITORING) if purpose in wanted)


def helpers(settings: Settings, name: str) -> tuple[Workload, ...]:
    """What else is in each pod of a part."""
    return tuple(SEAWEEDFS_HELPERS.values()) if (name, settings.store.kind) == ("store", "seaweedfs") else ()


def workload(settings: Settings, name: str) -> Workload:
    """How big a part is, with what the settings say of it in particular."""
    options = settings.kubernetes
    assert options is not None  # noqa: S101 - as above
    found = SIZES[options.size][name]
    if name == "store" and options.store_size:
        return Workload(found.cpu, found.memory, options.store_size, found.replicas, found.most)
    return found
