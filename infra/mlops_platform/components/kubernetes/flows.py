"""Who may talk to whom in an environment on a cluster: one table, from which all its network policies are made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import urlsplit

from mlops_platform.components.kubernetes import ingress, layout
from mlops_platform.components.kubernetes.layout import MESH_PORT, PIPELINES_PORT, PORTS
from mlops_platform.settings import KubernetesSettings, Settings

_HTTPS, _HTTP = 443, 80
_DEFAULT_PORTS = {"https": _HTTPS, "http": _HTTP}
# Where a team's own receivers of alerts listen: chat and paging services, and mail submission with TLS or STARTTLS.
_RECEIVERS = (_HTTPS, 465, 587)
_API = (_HTTPS, 6443)


class Place(Enum):
    """An end of a flow that isn't a part of ours.

    Attributes:
        RUNS: the pods of pipeline runs.
        PIPELINES: Kubeflow's server of pipelines, which keeps them in the store.
        PIPELINES_UI: its pages, which show artifacts from there.
        CLIENTS: whatever runs in a namespace that is labelled as a client of the environment, such as notebooks.
        API_SERVER: the cluster's API server; as a source, where it passes on what its clients ask of a Service.
        IDENTITY: what gives EKS's pods the credentials of their identities, on each node.
        ANYWHERE: everything else, in the cluster and outside, but for the metadata services of clouds.
    """

    RUNS = auto()
    PIPELINES = auto()
    PIPELINES_UI = auto()
    CLIENTS = auto()
    API_SERVER = auto()
    IDENTITY = auto()
    ANYWHERE = auto()


End = str | Place
# Those that are there if the environment has brought Kubeflow.
KUBEFLOW = frozenset({Place.RUNS, Place.PIPELINES, Place.PIPELINES_UI})


@dataclass(frozen=True)
class Flow:
    """Connections that are allowed.

    Attributes:
        source: who opens them: a part's name, or a place.
        destination: to whom.
        ports: of the destination's pods.
        protocols: over which, TCP unless said otherwise.
    """

    source: End
    destination: End
    ports: tuple[int, ...]
    protocols: tuple[str, ...] = ("TCP",)


_BETWEEN_PARTS = (
    Flow("tracking", "database", (PORTS["database"],)),
    Flow("service", "tracking", (PORTS["tracking"],)),
    Flow("drift", "tracking", (PORTS["tracking"],)),
    Flow(Place.RUNS, "tracking", (PORTS["tracking"],)),
    Flow(Place.CLIENTS, "tracking", (PORTS["tracking"],)),
    Flow(Place.CLIENTS, "service", (PORTS["service"],)),
    # Nodes pull images and CI pushes them from addresses that no selector knows; the registry asks each for a password.
    Flow(Place.ANYWHERE, "registry", (PORTS["registry"],)),
    Flow("prometheus", "service", (PORTS["service"],)),
    Flow("prometheus", "alertmanager", (PORTS["alertmanager"],)),
    Flow("prometheus", "drift", (PORTS["drift"],)),
    Flow("prometheus", "retraining", (PORTS["retraining"],)),
    Flow("prometheus", Place.API_SERVER, _API),  # which knows the pods that there are to scrape
    Flow("grafana", "prometheus", (PORTS["prometheus"],)),
    Flow("alertmanager", "retraining", (PORTS["retraining"],)),
    Flow("alertmanager", "alertmanager", (MESH_PORT,), ("TCP", "UDP")),  # replicas agree on who tells the team
    Flow("alertmanager", Place.ANYWHERE, _RECEIVERS),
    Flow("retraining", Place.PIPELINES, (PIPELINES_PORT,)),
    # CI's ways in, which RBAC guards.
    Flow(Place.API_SERVER, Place.PIPELINES, (PIPELINES_PORT,)),
    Flow(Place.API_SERVER, "tracking", (PORTS["tracking"],)),
)
_STORE_CLIENTS: tuple[End, ...] = (
    "setup",
    "registry",
    "tracking",
    "service",
    "drift",
    Place.RUNS,
    Place.PIPELINES,
    Place.PIPELINES_UI,
    Place.CLIENTS,
)


def flows(settings: Settings) -> tuple[Flow, ...]:
    """The flows of an environment: those whose both ends its choices bring."""
    options = settings.kubernetes
    assert options is not None  # noqa: S101 - `settings.load` sets them for this target
    present: set[End] = {part.name for part in layout.parts(settings)} | (set(Place) - KUBEFLOW)
    if options.pipelines == "install":
        present |= KUBEFLOW
    return tuple(flow for flow in _all(settings, options) if {flow.source, flow.destination} <= present)


def _all(settings: Settings, options: KubernetesSettings) -> Iterator[Flow]:
    yield from _BETWEEN_PARTS
    # A registry of several pods keeps its images in the store, and one of a single pod on a volume.
    single = {"registry"} if layout.workload(settings, "registry").replicas == 1 else set()
    clients = [client for client in _STORE_CLIENTS if client not in single]
    if settings.store.kind == "s3":
        port = _port(settings.store.endpoint)
        outside = [client for client in clients if isinstance(client, str)]
        yield from (Flow(client, Place.ANYWHERE, (port,)) for client in outside)
        if settings.target == "aws":
            yield from (Flow(client, Place.IDENTITY, (_HTTP,)) for client in outside)
    else:
        yield from (Flow(client, "store", (PORTS["store"],)) for client in clients)
        if layout.workload(settings, "store").replicas > 1:
            yield Flow("store", "store", (PORTS["store"],))
    if options.pipelines_host:
        yield Flow("retraining", Place.ANYWHERE, (_port(options.pipelines_host),))
    # Ingress controllers, and load balancers in their place, have addresses that no selector knows.
    yield from (Flow(Place.ANYWHERE, site.component, (site.port,)) for site in ingress.sites(settings))


def _port(url: str) -> int:
    """The port of a server's URL; AWS's own for an empty one."""
    parts = urlsplit(url or "https://")
    return parts.port or _DEFAULT_PORTS[parts.scheme]
