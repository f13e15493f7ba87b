"""Everything that runs on a cluster, whoever brings the cluster, the store and the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import pulumi

from mlops_platform.components.kubernetes import ingress, kubeflow, layout
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.ingress import Published
from mlops_platform.components.kubernetes.kubeflow import Kubeflow, Manifests
from mlops_platform.components.kubernetes.kubeflow.runs import VOLUME, Runs
from mlops_platform.components.kubernetes.kubeflow.store import Store
from mlops_platform.components.kubernetes.monitoring import project
from mlops_platform.components.kubernetes.monitoring.monitoring import Monitoring
from mlops_platform.components.kubernetes.monitoring.project import ProjectFiles
from mlops_platform.components.kubernetes.namespaces import Namespaces
from mlops_platform.components.kubernetes.network import Network
from mlops_platform.components.kubernetes.service import ModelService
from mlops_platform.components.kubernetes.tracking import Tracking
from mlops_platform.settings import Settings

_PULL_SECRET = "registry"  # noqa: S105 - a name


class Registry(Protocol):
    """Where the project's images are, as what runs them sees it."""

    def pull_secret(self, namespace: pulumi.Input[str], name: str) -> pulumi.Output[str] | None:
        """Declare the secret with which a namespace pulls them, and give its name; None: the nodes need none."""


@dataclass(frozen=True)
class Sources:
    """What is read before anything is declared, so that a missing file leaves nothing half made.

    Attributes:
        manifests: Kubeflow's; None: the environment installs none.
        files: of the project's monitoring; None: it isn't monitored.
    """

    manifests: Manifests | None
    files: ProjectFiles | None


@dataclass(frozen=True)
class Platform:
    """What has been declared, for the target's outputs.

    Attributes:
        tracking_url: of MLflow; empty: there is none.
        pipelines_host: URL of Kubeflow Pipelines; empty: there is none.
        pipeline_volume: claim that keeps data between runs; empty: there is none.
        kubeflow: its namespace, if the environment has brought it.
        prometheus_url: of Prometheus; empty: there is none.
        grafana_url: of Grafana; empty: there is none.
    """

    tracking_url: pulumi.Input[str]
    pipelines_host: pulumi.Input[str]
    pipeline_volume: str
    kubeflow: pulumi.Output[str] | None
    prometheus_url: pulumi.Input[str]
    grafana_url: pulumi.Input[str]


def read(settings: Settings) -> Sources:
    """Read what an environment on a cluster needs of files.

    Raises:
        PlatformError: Kubeflow's manifests or the project's monitoring are missing, or can't be used.
    """
    options = settings.kubernetes
    assert options is not None  # noqa: S101 - `settings.load` sets them for these targets
    manifests = kubeflow.read(options.pipelines_manifests) if options.pipelines == "install" else None
    return Sources(manifests, project.read() if settings.monitoring else None)


def declare(
    cluster: Cluster,
    *,
    namespaces: Namespaces,
    sources: Sources,
    store: Store,
    registry: Registry,
    api_servers: tuple[str, ...],
    api_host: str = "",
) -> Platform:
    """Declare tracking, pipelines, policies, the service, monitoring and what is published.

    Args:
        cluster: where.
        namespaces: the environment's.
        sources: what `read` gave.
        store: where data and artifacts are.
        registry: where images are.
        api_servers: CIDRs from which the API server reaches pods; empty: none have to be named.
        api_host: of the API server, with its port if its address has one; empty: `Tracking` says when.
    """
    settings, options = cluster.settings, cluster.options
    tracking_url: pulumi.Output[str] | None = None
    if settings.tracking:
        place = namespaces.platform
        tracking_url = Tracking("tracking", cluster=cluster, namespace=place, store=store, api_host=api_host).url
    pipelines_host: pulumi.Input[str] | None = options.pipelines_host or None
    inside: pulumi.Output[str] | None = None
    if sources.manifests is not None:
        installed = Kubeflow("kubeflow", cluster=cluster, manifests=sources.manifests, store=store)
        pipelines_host, inside = installed.host, installed.namespace
        Runs(
            "pipeline-runs",
            cluster=cluster,
            namespace=inside,
            store=store,
            registry=registry,
            tracking_url=tracking_url if tracking_url is not None else "",
        )
    Network("network", cluster=cluster, namespaces=namespaces, kubeflow=inside, api_servers=api_servers)
    if namespaces.serving is not None and options.service_image:
        ModelService(
            "model-service",
            cluster=cluster,
            namespace=namespaces.serving,
            store=store,
            tracking_url=tracking_url,
            pull_secret=registry.pull_secret(namespaces.serving, f"{_PULL_SECRET}-{layout.SERVING}"),
        )
    prometheus_url: pulumi.Input[str] = ""
    grafana_url: pulumi.Input[str] = ""
    if sources.files is not None:
        monitoring = Monitoring(
            "monitoring",
            cluster=cluster,
            namespaces=namespaces,
            files=sources.files,
            image=options.pipeline_image,
            pull_secret=registry.pull_secret(namespaces.of(layout.MONITORING), f"{_PULL_SECRET}-{layout.MONITORING}"),
            store=store,
            tracking_url=tracking_url,
            pipelines_host=pipelines_host,
        )
        prometheus_url, grafana_url = monitoring.prometheus_url, monitoring.grafana_url
    names = {purpose: namespaces.of(purpose) for purpose in layout.purposes(settings)}
    Published("published", cluster=cluster, namespaces=names)
    return Platform(
        tracking_url=tracking_url if tracking_url is not None else "",
        pipelines_host=pipelines_host if pipelines_host is not None else "",
        pipeline_volume=VOLUME if sources.manifests is not None else "",
        kubeflow=inside,
        prometheus_url=prometheus_url,
        grafana_url=ingress.url(settings, ingress.GRAFANA) or grafana_url,
    )
