"""What a cluster in EKS's Auto Mode has to be told before anything can run on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from mlops_platform.components.aws.account import ENVIRONMENT_TAG, Account
from mlops_platform.components.aws.eks import EksCluster
from mlops_platform.components.aws.network import Network
from mlops_platform.components.kubernetes.cluster import Cluster

_COMPONENT = "cluster"
_GROUP = "eks.amazonaws.com"
# Of our own classes and pools: EKS puts its own, called "default", back as they were.
_NODES, STORAGE_CLASS, _BALANCERS = "seedbed", "gp3", "alb"
# Processors of all nodes together, by size: twice and more of what the platform asks for, so that a run finds a place,
# and what somebody asks for by mistake doesn't cost without end.
_CPUS = {"small": 16, "standard": 64, "ha": 256}
# A node is emptied for good by whoever deletes the pool; a run that is at work on it has until then.
_TIMEOUTS = pulumi.CustomTimeouts(delete="30m")


class ClusterDefaults(pulumi.ComponentResource):
    """Nodes, volumes and load balancers of the environment's own kind, each with its tags, and what enforces policies.

    What runs on the cluster waits for this, and goes before it: so the platform's provider depends on it.

    Args:
        name: Pulumi name.
        account: where.
        cluster: the cluster, as its objects are made with a provider of their own.
        eks: the same, as AWS has it.
        network: with the subnets of nodes.
        opts: Pulumi options.
    """

    def __init__(
        self,
        name: str,
        *,
        account: Account,
        cluster: Cluster,
        eks: EksCluster,
        network: Network,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:aws:ClusterDefaults", name, None, opts)
        self._account = account
        self._cluster = cluster
        policies = self._enforce_policies(eks)
        pool = self._nodes(eks, network, policies)
        self._volumes()
        if cluster.options.domain and not cluster.options.ingress_class:
            self._load_balancers(eks)
        # For the autoscaler of the model service. It runs on the nodes, and is waited for.
        aws.eks.Addon(
            "metrics-server",
            cluster_name=eks.name,
            addon_name="metrics-server",
            # Its two pods would be put on two nodes, and a small environment fits on one.
            configuration_values=json.dumps({"replicas": 1}) if cluster.options.size == "small" else None,
            tags=account.tags(_COMPONENT),
            opts=account.child(self, depends_on=[pool]),
        )
        self.register_outputs({})

    @property
    def _tags(self) -> dict[str, str]:
        """Which the provider puts on all that it makes, and the cluster has to be told of."""
        return {ENVIRONMENT_TAG: self._account.environment, **self._account.tags(_COMPONENT)}

    def _enforce_policies(self, eks: EksCluster) -> pulumi.Resource:
        """Network policies are taken in any case, but kept to with this only.

        Source: https://docs.aws.amazon.com/eks/latest/userguide/auto-net-pol.html
        """
        return kubernetes.core.v1.ConfigMap(
            "network-policies",
            metadata=self._cluster.metadata("amazon-vpc-cni", _COMPONENT, namespace="kube-system"),
            data={"enable-network-policy-controller": "true"},
            opts=self._cluster.child(self, depends_on=eks.ready),
        )

    def _nodes(self, eks: EksCluster, network: Network, policies: pulumi.Resource) -> pulumi.Resource:
        node_class = self._custom(
            f"{_GROUP}/v1",
            "NodeClass",
            _NODES,
            {
                "role": eks.node_role,
                "subnetSelectorTerms": [{"id": subnet} for subnet in network.private_subnets],
                "securityGroupSelectorTerms": [{"id": eks.security_group}],
                # Everything may pass that no policy is about; a pod's own policies are there before it is.
                "networkPolicy": "DefaultAllow",
                "networkPolicyEventLogs": "Disabled",
                "tags": self._tags,
            },
            depends_on=[*eks.ready, policies],
        )
        return self._custom(
            "karpenter.sh/v1", "NodePool", _NODES, self._pool(), depends_on=[node_class], custom_timeouts=_TIMEOUTS
        )

    def _pool(self) -> dict[str, Any]:
        requirements = {
            "karpenter.sh/capacity-type": ["on-demand"],
            "kubernetes.io/arch": ["amd64"],
            "kubernetes.io/os": ["linux"],
            "eks.amazonaws.com/instance-category": ["c", "m", "r"],
        }
        listed = [{"key": key, "operator": "In", "values": values} for key, values in requirements.items()]
        newer = {"key": "eks.amazonaws.com/instance-generation", "operator": "Gt", "values": ["4"]}
        return {
            "limits": {"cpu": str(_CPUS[self._cluster.options.size])},
            # The steps of runs, which aren't started again elsewhere, are marked so that their nodes stay meanwhile.
            "disruption": {
                "consolidationPolicy": "WhenEmptyOrUnderutilized",
                "consolidateAfter": "5m",
                "budgets": [{"nodes": "10%"}],
            },
            "template": {
                "spec": {
                    "nodeClassRef": {"group": _GROUP, "kind": "NodeClass", "name": _NODES},
                    "requirements": [*listed, newer],
                    # What AWS gives its own pools: a node gets its updates by being replaced.
                    "expireAfter": "336h",
                    "terminationGracePeriod": "24h",
                }
            },
        }

    def _volumes(self) -> None:
        """Encrypted with the account's key for volumes, which needs no rights of the cluster's."""
        tags = {f"tagSpecification_{n}": f"{key}={value}" for n, (key, value) in enumerate(self._tags.items(), 1)}
        kubernetes.storage.v1.StorageClass(
            STORAGE_CLASS,
            metadata=self._cluster.metadata(
                STORAGE_CLASS, _COMPONENT, annotations={"storageclass.kubernetes.io/is-default-class": "true"}
            ),
            provisioner="ebs.csi.eks.amazonaws.com",
            parameters={"type": "gp3", "encrypted": "true", **tags},
            # In the zone of the first pod that uses it: a volume is in one zone.
            volume_binding_mode="WaitForFirstConsumer",
            allow_volume_expansion=True,
            reclaim_policy="Delete",
            allowed_topologies=[
                {"match_label_expressions": [{"key": "eks.amazonaws.com/compute-type", "values": ["auto"]}]}
            ],
            opts=self._cluster.child(self),
        )

    def _load_balancers(self, eks: EksCluster) -> None:
        """One for all that the environment publishes, on the internet; with its certificate it speaks TLS alone."""
        parameters = self._custom(
            f"{_GROUP}/v1",
            "IngressClassParams",
            _BALANCERS,
            {
                "scheme": "internet-facing",
                "group": {"name": eks.cluster_name},
                "certificateARNs": [self._account.options.certificate],
                "tags": [{"key": key, "value": value} for key, value in self._tags.items()],
            },
            depends_on=eks.ready,
        )
        kubernetes.networking.v1.IngressClass(
            _BALANCERS,
            metadata=self._cluster.metadata(
                _BALANCERS, _COMPONENT, annotations={"ingressclass.kubernetes.io/is-default-class": "true"}
            ),
            spec={
                "controller": f"{_GROUP}/alb",
                "parameters": {"api_group": _GROUP, "kind": "IngressClassParams", "name": _BALANCERS},
            },
            opts=self._cluster.child(self, depends_on=[parameters]),
        )

    def _custom(
        self, api_version: str, kind: str, name: str, spec: Mapping[str, Any], **options: Any
    ) -> kubernetes.apiextensions.CustomResource:
        return kubernetes.apiextensions.CustomResource(
            f"{kind}-{name}",
            api_version=api_version,
            kind=kind,
            metadata=self._cluster.metadata(name, _COMPONENT),
            spec=spec,
            opts=self._cluster.child(self, **options),
        )
