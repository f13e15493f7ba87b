"""Any conformant Kubernetes cluster that a kubeconfig reaches."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes import ingress, kubeconfig, kubeflow, layout
from mlops_platform.components.kubernetes.access import Access
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.ingress import Published
from mlops_platform.components.kubernetes.kubeflow import Kubeflow
from mlops_platform.components.kubernetes.kubeflow.runs import VOLUME, Runs
from mlops_platform.components.kubernetes.monitoring import project
from mlops_platform.components.kubernetes.monitoring.monitoring import Monitoring
from mlops_platform.components.kubernetes.namespaces import Namespaces
from mlops_platform.components.kubernetes.network import Network
from mlops_platform.components.kubernetes.registry import Registry
from mlops_platform.components.kubernetes.service import ModelService
from mlops_platform.components.kubernetes.store import ClusterStore
from mlops_platform.components.kubernetes.tracking import Tracking
from mlops_platform.contract import Outputs
from mlops_platform.settings import Settings

_PULL_SECRET = "registry"  # noqa: S105 - a name


def build(settings: Settings) -> Outputs:
    """Declare everything of an environment on a cluster.

    Raises:
        PlatformError: what it needs from outside is missing: the kubeconfig's context, Kubeflow's manifests, the
            project's monitoring, or keys of a store or registry elsewhere.
    """
    options = settings.kubernetes
    assert options is not None  # noqa: S101 - `settings.load` sets them for this target
    api = kubeconfig.find(options.context)
    manifests = kubeflow.read(options.pipelines_manifests) if options.pipelines == "install" else None
    files = project.read() if settings.monitoring else None
    # The kubeconfig isn't kept: whoever runs this has one, and a context of that name in it. Without a word, KUBECONFIG
    # of the first `up` would be in the state for good.
    provider = kubernetes.Provider(
        "cluster",
        kubeconfig="",
        context=options.context,
        enable_server_side_apply=True,
        # Changed in place: exchanging them would mean exchanging all that mounts them.
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
    )
    cluster = Cluster(provider=provider, settings=settings)

    namespaces = Namespaces("namespaces", cluster=cluster)
    store = ClusterStore("object-store", cluster=cluster, namespace=namespaces.platform)
    registry = Registry("container-registry", cluster=cluster, namespace=namespaces.platform, store=store)
    tracking_url: pulumi.Output[str] | None = None
    if settings.tracking:
        tracking_url = Tracking("tracking", cluster=cluster, namespace=namespaces.platform, store=store).url
    pipelines_host: pulumi.Input[str] | None = options.pipelines_host or None
    inside: pulumi.Output[str] | None = None
    if manifests is not None:
        installed = Kubeflow("kubeflow", cluster=cluster, manifests=manifests, store=store)
        pipelines_host, inside = installed.host, installed.namespace
        Runs(
            "pipeline-runs",
            cluster=cluster,
            namespace=inside,
            store=store,
            registry=registry,
            tracking_url=tracking_url if tracking_url is not None else "",
        )
    Network("network", cluster=cluster, namespaces=namespaces, kubeflow=inside, api_servers=options.api_servers)
    access = Access("access", cluster=cluster, namespaces=namespaces, api=api, kubeflow=inside)
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
    if files is not None:
        monitoring = Monitoring(
            "monitoring",
            cluster=cluster,
            namespaces=namespaces,
            files=files,
            image=options.pipeline_image,
            pull_secret=registry.pull_secret(namespaces.of(layout.MONITORING), f"{_PULL_SECRET}-{layout.MONITORING}"),
            store=store,
            tracking_url=tracking_url,
            pipelines_host=pipelines_host,
        )
        prometheus_url, grafana_url = monitoring.prometheus_url, monitoring.grafana_url
    names = {purpose: namespaces.of(purpose) for purpose in layout.purposes(settings)}
    Published("published", cluster=cluster, namespaces=names)
    return Outputs(
        s3_endpoint=ingress.url(settings, ingress.STORE) or store.endpoint,
        s3_region=store.region,
        data_bucket=store.data_bucket,
        artifact_bucket=store.artifact_bucket,
        s3_access_key=store.access_key,
        s3_secret_key=store.secret_key,
        registry=registry.address,
        registry_username=registry.username,
        registry_password=registry.password,
        mlflow_tracking_uri=tracking_url if tracking_url is not None else "",
        kfp_host=pipelines_host if pipelines_host is not None else "",
        pipeline_volume=VOLUME if manifests is not None else "",
        namespace=namespaces.platform,
        kubeconfig=access.kubeconfig,
        prometheus_url=prometheus_url,
        grafana_url=ingress.url(settings, ingress.GRAFANA) or grafana_url,
    )
