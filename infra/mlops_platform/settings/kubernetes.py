"""What only an environment on a Kubernetes cluster has to decide."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from mlops_platform.settings import values
from mlops_platform.settings.values import Get

SIZES = ("small", "standard", "ha")
PIPELINES = ("install", "none")
_LOWEST_NODE_PORT, _HIGHEST_NODE_PORT = 30000, 32767
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_QUANTITY = re.compile(r"[1-9][0-9]*(Gi|Ti)")
_IMAGE = re.compile(
    r"[a-zA-Z0-9][a-zA-Z0-9._-]*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+(:[\w.-]+)?(@sha256:[0-9a-f]{64})?"
)
_MIRROR = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class KubernetesSettings:
    """An environment on a cluster.

    Attributes:
        context: of the kubeconfig; names the cluster, so that no other is ever changed by mistake. Empty where the
            environment makes its own.
        size: one of `SIZES`: how many replicas, how much CPU, memory and storage.
        storage_class: of every volume; empty: the cluster's default.
        store_size: of each of the store's volumes, such as "50Gi"; empty: as the size says.
        store_image: another image that speaks MinIO's interface; empty: the pinned one.
        store_tls: whether the store speaks TLS, with a certificate authority of the environment's own.
        registry: host and path of a registry that exists already; empty: one in the cluster.
        registry_port: port of each node at which the container runtime reaches the registry in the cluster.
        pipelines: "install" brings Kubeflow Pipelines, "none" leaves it out.
        pipelines_host: URL of a Kubeflow Pipelines that exists already, in place of installing one.
        pipelines_manifests: file with Kubeflow's rendered manifests.
        image_mirror: host and path under which all images are found; empty: where each comes from.
        domain: under which services are published through an Ingress; empty: none is.
        ingress_class: of the Ingress; empty: the cluster's default.
        api_servers: CIDRs from which the API server reaches pods, where policies are enforced and it is neither on each
            pod's node nor uses konnectivity; empty: none have to be named.
        cluster_issuer: of cert-manager, for the Ingress's certificates; empty: no TLS there.
        service_image: the first image of the model service, which `kubectl set image` replaces later; empty: none is
            pushed yet, and no service runs.
        pipeline_image: of the pipeline's steps, in which the monitor runs too; empty: none is pushed yet.
    """

    context: str
    size: str = SIZES[0]
    storage_class: str = ""
    store_size: str = ""
    store_image: str = ""
    store_tls: bool = False
    registry: str = ""
    registry_port: int = 30500
    pipelines: str = PIPELINES[0]
    pipelines_host: str = ""
    pipelines_manifests: Path
    image_mirror: str = ""
    domain: str = ""
    ingress_class: str = ""
    cluster_issuer: str = ""
    api_servers: tuple[str, ...] = ()
    service_image: str = ""
    pipeline_image: str = ""


def load(get: Get, *, directory: Path, made: bool = False) -> KubernetesSettings:
    """Read and check what the configuration says of the cluster.

    Args:
        get: gives a key's value, or None when it isn't set.
        directory: the folder of Pulumi.yaml, to which a relative path belongs.
        made: the environment makes the cluster.

    Raises:
        PlatformError: a value is out of its range; the message names the key and the command that sets it.
    """
    context = get("context") or ""
    if made and context:
        raise values.refusal("context", context, "names a cluster, and the environment makes its own", "")
    if not made and not context:
        rule = "must name the cluster's context in your kubeconfig (kubectl config get-contexts)"
        raise values.refusal("context", "", rule, "kind-kind")
    pipelines_host = values.url(get, "pipelinesHost", empty="to install one", example="https://kubeflow.example.com")
    issuer, domain = _matching(get, "clusterIssuer", _NAME, "a cert-manager ClusterIssuer"), _domain(get)
    if issuer and not domain:
        rule = "is for the certificates of an Ingress, and there is none without domain"
        raise values.refusal("clusterIssuer", issuer, rule, "")
    return KubernetesSettings(
        context=context,
        size=values.one_of(get, "size", SIZES),
        storage_class=_matching(get, "storageClass", _NAME, "a storage class"),
        store_size=_matching(get, "storeSize", _QUANTITY, "an amount of storage, such as 50Gi"),
        store_image=_matching(get, "storeImage", _IMAGE, "an image with its registry, such as quay.io/acme/minio:1"),
        store_tls=values.flag(get, "storeTls", default=False),
        registry=_matching(get, "registry", _MIRROR, "a registry's host and path, such as ghcr.io/acme"),
        registry_port=_node_port(get),
        pipelines="none" if pipelines_host else values.one_of(get, "pipelines", PIPELINES),
        pipelines_host=pipelines_host,
        pipelines_manifests=directory / (get("pipelinesManifests") or "kubeflow-pipelines.yaml"),
        image_mirror=_matching(get, "imageMirror", _MIRROR, "a registry's host and path, such as mirror.acme.com/hub"),
        domain=domain,
        ingress_class=_matching(get, "ingressClass", _NAME, "an ingress class"),
        cluster_issuer=issuer,
        api_servers=_networks(get),
        service_image=_matching(get, "serviceImage", _IMAGE, "an image, such as ghcr.io/acme/flights:1.2.0"),
        pipeline_image=_matching(get, "pipelineImage", _IMAGE, "an image, such as ghcr.io/acme/flights/pipeline:1"),
    )


def _domain(get: Get) -> str:
    return _matching(get, "domain", _DOMAIN, "a domain in lower case, such as ml.example.com")


def _node_port(get: Get) -> int:
    default = KubernetesSettings.registry_port
    if (value := get("registryPort") or "0") == "0":
        return default
    if not (value.isdecimal() and _LOWEST_NODE_PORT <= int(value) <= _HIGHEST_NODE_PORT):
        rule = f"must be a node port, {_LOWEST_NODE_PORT} to {_HIGHEST_NODE_PORT}, or 0 for {default}"
        raise values.refusal("registryPort", value, rule, str(default))
    return int(value)


def _networks(get: Get) -> tuple[str, ...]:
    value = get("apiServers") or ""
    try:
        return tuple(str(ipaddress.ip_network(part.strip())) for part in value.split(",") if part.strip())
    except ValueError as error:
        rule = f"is not a list of networks with commas between them: {error}"
        raise values.refusal("apiServers", value, rule, "10.0.0.0/28,10.0.1.0/28") from None


def _matching(get: Get, key: str, pattern: re.Pattern[str], what: str) -> str:
    value = get(key) or ""
    if value and not pattern.fullmatch(value):
        raise values.refusal(key, value, f"is not {what}", "")
    return value
