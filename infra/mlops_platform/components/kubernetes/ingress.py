"""What an environment publishes under a domain, through whichever Ingress controller the cluster has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes import layout
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.layout import PORTS
from mlops_platform.settings import Settings

# The host names under the domain, and the component behind each.
STORE, REGISTRY, SERVICE, GRAFANA = "s3", "registry", "service", "grafana"
# Objects and image layers have no limit, and take their time. Each controller reads its own annotations only; Traefik,
# HAProxy and Contour have no limit to lift.
_LARGE_BODIES = {
    "nginx.ingress.kubernetes.io/proxy-body-size": "0",
    "nginx.ingress.kubernetes.io/proxy-request-buffering": "off",
    "nginx.ingress.kubernetes.io/proxy-read-timeout": "900",
    "nginx.ingress.kubernetes.io/proxy-send-timeout": "900",
    "nginx.org/client-max-body-size": "0",
    "nginx.org/proxy-buffering": "false",
    "nginx.org/proxy-read-timeout": "900s",
    "nginx.org/proxy-send-timeout": "900s",
}
# Unless told otherwise, AWS's load balancers ask for "/", where only 200 will do, take TLS 1.0 too, and go to a port of
# the nodes', which our Services have none of.
_HEALTH, _TLS_VERSIONS = "alb.ingress.kubernetes.io/healthcheck-path", "alb.ingress.kubernetes.io/ssl-policy"
_TO_PODS = {"alb.ingress.kubernetes.io/target-type": "ip"}
_SINCE_TLS_1_2 = "ELBSecurityPolicy-TLS13-1-2-2021-06"
# The others redirect by themselves what comes without TLS.
_TLS_ONLY = {"traefik.ingress.kubernetes.io/router.entrypoints": "websecure"}


@dataclass(frozen=True)
class Site:
    """A host name, and what it leads to.

    Attributes:
        host: label under the domain.
        component: name of the Service.
        purpose: of its namespace.
        port: of the Service.
        paths: that are published, exactly; empty: all.
        health: path that answers 200 when it is well, for load balancers that ask by themselves.
        large: whether requests and answers may be of any size.
    """

    host: str
    component: str
    purpose: str
    port: int
    paths: tuple[str, ...] = ()
    health: str = "/"
    large: bool = False


# What has no lock of its own is not here: whoever reaches MLflow, Kubeflow, Prometheus or Alertmanager may do there
# whatever they like. The model service is meant for everyone; its metrics are not.
_SITES = (
    Site(
        SERVICE, "service", layout.SERVING, PORTS["service"],
        ("/", "/predict", "/feedback", "/readyz", "/docs", "/openapi.json"),
    ),
    Site(GRAFANA, "grafana", layout.MONITORING, PORTS["grafana"], health="/api/health"),
    Site(STORE, "store", layout.PLATFORM, PORTS["store"], large=True),
    Site(REGISTRY, "registry", layout.PLATFORM, PORTS["registry"], large=True),
)  # fmt: skip


def sites(settings: Settings) -> tuple[Site, ...]:
    """What an environment publishes: of that which it has, all with TLS; without it what asks for no password."""
    options = settings.kubernetes
    assert options is not None  # noqa: S101 - `settings.load` sets them for this target
    exists = {
        SERVICE: settings.serving and bool(options.service_image),
        GRAFANA: settings.monitoring,
        # Behind a controller that ends the TLS of its clients, the store's own would need trust in its authority.
        STORE: settings.store.kind != "s3" and not options.store_tls,
        REGISTRY: settings.target == "kubernetes" and not options.registry,
    }
    if not options.domain:
        return ()
    return tuple(site for site in _SITES if exists[site.host] and (encrypted(settings) or site.host == SERVICE))


def encrypted(settings: Settings) -> bool:
    """Whether the controller has certificates: those of cert-manager, or on AWS its load balancer's own."""
    options = settings.kubernetes
    by_load_balancer = settings.aws is not None and settings.aws.certificate
    return bool(by_load_balancer or (options and options.cluster_issuer))


def url(settings: Settings, host: str) -> str:
    """The public address of a site; "" if it isn't published."""
    options = settings.kubernetes
    if options is None or not any(site.host == host for site in sites(settings)):
        return ""
    return f"{'https' if encrypted(settings) else 'http'}://{host}.{options.domain}"


class Published(pulumi.ComponentResource):
    """The Ingresses of an environment, one for each host name, beside the Service that it leads to.

    Args:
        name: Pulumi name.
        cluster: where. Its settings say the domain, the class and who signs the certificates.
        namespaces: purpose of a namespace → its name.
        opts: Pulumi options.
    """

    def __init__(
        self,
        name: str,
        *,
        cluster: Cluster,
        namespaces: Mapping[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:kubernetes:Published", name, None, opts)
        options = cluster.options
        if options.domain and not encrypted(cluster.settings):
            pulumi.log.warn(
                "domain is set without clusterIssuer, so there is no TLS: only the model service is published, and not"
                " what asks for passwords or keys. Install cert-manager and name one of its ClusterIssuers.",
                self,
            )
        for site in sites(cluster.settings):
            kubernetes.networking.v1.Ingress(
                f"ingress-{site.host}",
                metadata=cluster.metadata(
                    site.component,
                    site.component,
                    namespace=namespaces[site.purpose],
                    annotations=_annotations(site, cluster.settings),
                    # Some controllers never say at which address they serve one.
                    awaited=False,
                ),
                spec=_spec(site, cluster),
                opts=cluster.child(self),
            )
        self.register_outputs({})


def _annotations(site: Site, settings: Settings) -> dict[str, str]:
    found = dict(_LARGE_BODIES) if site.large else {}
    if settings.kubernetes and (issuer := settings.kubernetes.cluster_issuer):
        found |= {"cert-manager.io/cluster-issuer": issuer, **_TLS_ONLY}
    if settings.aws and settings.aws.certificate:
        found |= {_HEALTH: site.health, _TLS_VERSIONS: _SINCE_TLS_1_2, **_TO_PODS}
    return found


def _spec(site: Site, cluster: Cluster) -> dict[str, Any]:
    options = cluster.options
    host = f"{site.host}.{options.domain}"
    backend = {"service": {"name": site.component, "port": {"number": site.port}}}
    published = [("Exact", path) for path in site.paths] or [("Prefix", "/")]
    spec: dict[str, Any] = {
        "rules": [
            {
                "host": host,
                "http": {"paths": [{"path": path, "path_type": kind, "backend": backend} for kind, path in published]},
            }
        ]
    }
    if options.ingress_class:
        spec["ingress_class_name"] = options.ingress_class
    if options.cluster_issuer:
        spec["tls"] = [{"hosts": [host], "secret_name": f"{site.component}-tls"}]
    return spec
