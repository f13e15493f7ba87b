"""Any conformant Kubernetes cluster that a kubeconfig reaches."""

from __future__ import annotations

from urllib.parse import urlsplit

import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes import ingress, kubeconfig, platform
from mlops_platform.components.kubernetes.access import Access
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.namespaces import Namespaces
from mlops_platform.components.kubernetes.registry import Registry
from mlops_platform.components.kubernetes.store import ClusterStore
from mlops_platform.contract import Outputs
from mlops_platform.settings import Settings


def build(settings: Settings) -> Outputs:
    """Declare everything of an environment on a cluster.

    Raises:
        PlatformError: what it needs from outside is missing: the kubeconfig's context, Kubeflow's manifests, the
            project's monitoring, or keys of a store or registry elsewhere.
    """
    options = settings.kubernetes
    assert options is not None  # noqa: S101 - `settings.load` sets them for this target
    api = kubeconfig.find(options.context)
    sources = platform.read(settings)
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
    declared = platform.declare(
        cluster,
        namespaces=namespaces,
        sources=sources,
        store=store,
        registry=registry,
        api_servers=options.api_servers,
        api_host=urlsplit(api.url).netloc,
    )
    access = Access("access", cluster=cluster, namespaces=namespaces, kubeflow=declared.kubeflow)
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
        mlflow_tracking_uri=declared.tracking_url,
        kfp_host=declared.pipelines_host,
        pipeline_volume=declared.pipeline_volume,
        namespace=namespaces.platform,
        kubeconfig=access.kubeconfig(api),
        prometheus_url=declared.prometheus_url,
        grafana_url=declared.grafana_url,
    )
