"""The network policies of an environment: nothing in, nothing out, but for the flows of one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes import flows, layout
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.flows import End, Flow, Place
from mlops_platform.components.kubernetes.namespaces import Namespaces

_COMPONENT = "network"
# A namespace that carries this label, with the environment as its value, may use the environment. Whoever may label
# namespaces on the cluster decides it.
CLIENT_LABEL = "seedbed/client-of"
_NAME_LABEL = "kubernetes.io/metadata.name"  # which the API server keeps on every namespace
_ALL_PODS: dict[str, Any] = {"namespace_selector": {}}
# Clouds hand out a node's credentials at link-local addresses.
_OUTSIDE: list[dict[str, Any]] = [
    {"ip_block": {"cidr": "0.0.0.0/0", "except_": ["169.254.0.0/16"]}},
    {"ip_block": {"cidr": "::/0", "except_": ["fe80::/10", "fd00:ec2::/32"]}},
]
# EKS's agent for the identities of pods, by AWS's documentation of it.
_IDENTITY: list[dict[str, Any]] = [
    {"ip_block": {"cidr": "169.254.170.23/32"}},
    {"ip_block": {"cidr": "fd00:ec2::23/128"}},
]
# Names are resolved by pods of kube-system on most clusters, by a cache on each node on some, and by the node itself
# on others; but never by a public address.
_DNS: dict[str, Any] = {
    "to": [
        _ALL_PODS,
        *(
            {"ip_block": {"cidr": cidr}}
            for cidr in ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
        ),
    ],
    "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")],
}
# Where the control plane is run by a cloud, its API server reaches pods through these.
_KONNECTIVITY: dict[str, Any] = {
    "namespace_selector": {"match_labels": {_NAME_LABEL: "kube-system"}},
    "pod_selector": {"match_labels": {"k8s-app": "konnectivity-agent"}},
}
# Labels that Kubeflow and Argo give to their pods.
_KUBEFLOW_PODS: dict[Place, dict[str, Any]] = {
    Place.RUNS: {"match_expressions": [{"key": "workflows.argoproj.io/workflow", "operator": "Exists"}]},
    Place.PIPELINES: {"match_labels": {"app": "ml-pipeline"}},
    Place.PIPELINES_UI: {"match_labels": {"app": "ml-pipeline-ui"}},
}


class Network(pulumi.ComponentResource):
    """Default deny in each of our namespaces, and the flows of `flows.flows`, each allowed at both its ends.

    Into Kubeflow's namespace comes only what the same table says; inside it, and out of it, everything may pass: its
    controllers talk to the API server, whose address no policy can name on every cluster, and runs fetch data from
    wherever it is.

    Probes and `kubectl port-forward` come from the pod's own node, which no policy refuses.

    Args:
        name: Pulumi name.
        cluster: where.
        namespaces: whose traffic it is.
        kubeflow: Kubeflow's namespace, if the environment has brought one.
        api_servers: CIDRs from which the API server reaches pods. Without them only one that runs on the pod's own node
            or uses konnectivity can pass CI's requests on to Kubeflow and MLflow.
        opts: Pulumi options.
    """

    def __init__(
        self,
        name: str,
        *,
        cluster: Cluster,
        namespaces: Namespaces,
        kubeflow: pulumi.Input[str] | None = None,
        api_servers: Sequence[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:kubernetes:Network", name, None, opts)
        self._cluster = cluster
        self._api_servers = api_servers
        self._purposes = {part.name: part.purpose for part in layout.parts(cluster.settings)}
        self._flows = flows.flows(cluster.settings)
        for purpose in layout.purposes(cluster.settings):
            denied = {"pod_selector": {}, "policy_types": ["Ingress", "Egress"]}
            self._policy("default-deny", namespaces.of(purpose), denied, purpose=purpose)
        for part, purpose in self._purposes.items():
            self._policy(part, namespaces.of(purpose), self._part(part), purpose=purpose)
        if kubeflow is not None:
            self._isolate(kubeflow)
        self.register_outputs({})

    def _part(self, name: str) -> dict[str, Any]:
        """What the policy of a part of ours says."""
        allowed = [flow for flow in self._flows if flow.source == name]
        egress = [{"to": self._to(flow.destination), **_ports(flow)} for flow in allowed]
        return {
            "pod_selector": {"match_labels": self._cluster.selector(name)},
            "policy_types": ["Ingress", "Egress"],
            "ingress": self._ingress(name),
            # What talks to nobody needs no names either.
            "egress": [_DNS, *egress] if egress else [],
        }

    def _isolate(self, namespace: pulumi.Input[str]) -> None:
        inside = {"pod_selector": {}, "policy_types": ["Ingress"], "ingress": [{"from_": [{"pod_selector": {}}]}]}
        self._policy("seedbed-isolation", namespace, inside, purpose=layout.KUBEFLOW)
        opened = {
            "pod_selector": _KUBEFLOW_PODS[Place.PIPELINES],
            "policy_types": ["Ingress"],
            "ingress": self._ingress(Place.PIPELINES),
        }
        self._policy("seedbed-ml-pipeline", namespace, opened, purpose=layout.KUBEFLOW)

    def _ingress(self, destination: End) -> list[dict[str, Any]]:
        allowed = [flow for flow in self._flows if flow.destination == destination]
        return [{**self._from(flow.source), **_ports(flow)} for flow in allowed]

    def _from(self, source: End) -> dict[str, Any]:
        return {} if source is Place.ANYWHERE else {"from_": self._peers(source)}

    def _to(self, destination: End) -> list[dict[str, Any]]:
        if destination is Place.IDENTITY:
            return _IDENTITY
        if destination is Place.API_SERVER and self._api_servers:
            return [{"ip_block": {"cidr": cidr}} for cidr in self._api_servers]
        return [_ALL_PODS, *_OUTSIDE] if destination in {Place.ANYWHERE, Place.API_SERVER} else self._peers(destination)

    def _peers(self, end: End) -> list[dict[str, Any]]:
        if end is Place.API_SERVER:
            return [_KONNECTIVITY, *({"ip_block": {"cidr": cidr}} for cidr in self._api_servers)]
        if end is Place.CLIENTS:
            return [{"namespace_selector": {"match_labels": {CLIENT_LABEL: self._cluster.environment}}}]
        if isinstance(end, Place):
            return [_pods(layout.KUBEFLOW, _KUBEFLOW_PODS[end])]
        namespace = self._cluster.namespace(self._purposes[end])
        return [_pods(namespace, {"match_labels": self._cluster.selector(end)})]

    def _policy(self, name: str, namespace: pulumi.Input[str], spec: dict[str, Any], *, purpose: str) -> None:
        kubernetes.networking.v1.NetworkPolicy(
            f"{purpose or 'platform'}-{name}",
            metadata=self._cluster.metadata(name, _COMPONENT, namespace=namespace),
            spec=spec,
            opts=self._cluster.child(self),
        )


def _pods(namespace: str, selector: dict[str, Any]) -> dict[str, Any]:
    return {"namespace_selector": {"match_labels": {_NAME_LABEL: namespace}}, "pod_selector": selector}


def _ports(flow: Flow) -> dict[str, Any]:
    return {"ports": [{"protocol": protocol, "port": port} for port in flow.ports for protocol in flow.protocols]}
