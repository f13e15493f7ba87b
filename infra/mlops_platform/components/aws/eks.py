"""The environment's cluster: EKS in its Auto Mode, which makes nodes, volumes and load balancers by itself."""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from mlops_platform.components.aws import cluster_rights, logs, roles
from mlops_platform.components.aws.account import Account, document
from mlops_platform.components.aws.network import Network
from mlops_platform.settings.aws import SERVICE_CIDR

_COMPONENT = "cluster"
# It becomes the value of a label.
_NAME_LIMIT = 63
_LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
_CLUSTER_POLICIES = (
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
)
_NODE_POLICIES = ("AmazonEC2ContainerRegistryPullOnly", "AmazonEKSWorkerNodeMinimalPolicy")
_NODE_ACCESS = "AmazonEKSAutoNodePolicy"
# The API server's own Service: the first address of them all. The network of Services is set, since EKS would choose
# one of two by the addresses of the network.
_API_SERVICE = f"{ipaddress.IPv4Network(SERVICE_CIDR)[1]}/32"
_HINT = "The AWS CLI is needed: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"


@dataclass(frozen=True, kw_only=True)
class ClusterAccess:
    """What an IAM role may do on the cluster.

    Attributes:
        name: short, for Pulumi.
        principal_arn: of the role.
        policy: the name of one of EKS's own access policies, such as "AmazonEKSClusterAdminPolicy"; empty: it may do
            what its groups may.
        namespaces: in which the policy counts; empty: everywhere.
        groups: of Kubernetes, to which bindings on the cluster give rights.
    """

    name: str
    principal_arn: pulumi.Input[str]
    policy: str = ""
    namespaces: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class ControlPlaneLogs(pulumi.ComponentResource):
    """Where the control plane's logs go.

    Apart from the cluster, so that it can go a while after it: what is logged at a cluster's very end makes EKS create
    the group again, in nobody's care.

    Args:
        name: Pulumi name.
        account: where.
        key_arn: of the key that they are encrypted with.
        opts: Pulumi options.
    """

    def __init__(
        self,
        name: str,
        *,
        account: Account,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:aws:ControlPlaneLogs", name, None, opts)
        log_name = f"/aws/eks/{cluster_name(account)}/cluster"  # EKS knows no other
        self.group = logs.declare(
            "control-plane", parent=self, account=account, log_name=log_name, component=_COMPONENT, key_arn=key_arn
        )
        self.register_outputs({})


class EksCluster(pulumi.ComponentResource):
    """A cluster without nodes: the classes and the pool from which it makes them are `ClusterDefaults`.

    Whoever makes it may do everything on it, and nobody else but those in `access`. EKS keeps that, outside of the
    stack: so the same `up` by another person changes nothing, and none of them has to be known beforehand.

    Args:
        name: Pulumi name.
        account: where.
        network: in which it is.
        key_arn: of the key that the secrets in it are encrypted with.
        logs: where its control plane's logs go.
        access: who else may do what.
        after: what goes only after it, besides the network.
        opts: Pulumi options.

    Attributes:
        cluster_name: known before there is a cluster.
        arn: known before there is a cluster.
        api_servers: the addresses at which pods reach the API server, and from which it reaches them.
        name: the same as `cluster_name`, which waits for the cluster.
        endpoint: URL of the API server.
        authority: the certificate, as PEM, by which it is trusted.
        kubeconfig: with one context, in which everybody is whom the AWS CLI takes them for. No secret is in it.
        security_group: ID of the group that nodes and control plane share.
        node_role: name of the role of nodes.
        ready: what nodes need to join, and people and CI to get in. Whatever is made on the cluster waits for it, and
            goes before it: who takes the environment down may be one of those whom the stack lets in.
    """

    cluster_name: str
    arn: str
    api_servers: tuple[str, ...]
    name: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    authority: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]
    security_group: pulumi.Output[str]
    node_role: pulumi.Output[str]
    ready: list[pulumi.Resource]

    def __init__(
        self,
        name: str,
        *,
        account: Account,
        network: Network,
        key_arn: pulumi.Input[str],
        logs: ControlPlaneLogs,
        access: Sequence[ClusterAccess] = (),
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:aws:EksCluster", name, None, opts)
        self._account = account
        self.cluster_name = cluster_name(account)
        self.arn = account.arn("eks", f"cluster/{self.cluster_name}")
        self.api_servers = (*network.control_cidrs, _API_SERVICE)
        role, able = self._cluster_role(key_arn)
        cluster = self._cluster(role, network, key_arn, [*able, logs.group, *network.ready, *after])
        self.name = cluster.name
        self.endpoint = cluster.endpoint
        encoded = cluster.certificate_authority.apply(lambda found: found.data)
        self.authority = encoded.apply(lambda data: base64.b64decode(data).decode())
        self.kubeconfig = pulumi.Output.all(cluster.endpoint, encoded).apply(
            lambda found: _kubeconfig(found[0], found[1], name=self.cluster_name, region=account.region)
        )
        self.security_group = cluster.vpc_config.apply(lambda found: found.cluster_security_group_id)
        self.ready = [cluster, *network.ready, *self._node_role()]
        for given in access:
            self.ready += self._grant(given)
        self.register_outputs({"cluster_name": self.cluster_name})

    def _cluster_role(self, key_arn: pulumi.Input[str]) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
        rights = pulumi.Output.from_input(key_arn).apply(
            lambda arn: document(*cluster_rights.statements(self._account, self.cluster_name, arn))
        )
        return roles.declare(
            "cluster",
            parent=self,
            account=self._account,
            component=_COMPONENT,
            trusts=roles.trust("eks.amazonaws.com", "sts:TagSession"),
            managed=_CLUSTER_POLICIES,
            rights=rights,
        )

    def _cluster(
        self, role: aws.iam.Role, network: Network, key_arn: pulumi.Input[str], before: Sequence[pulumi.Resource]
    ) -> aws.eks.Cluster:
        account, options = self._account, self._account.options
        public = not options.private_endpoint
        return aws.eks.Cluster(
            _COMPONENT,
            name=self.cluster_name,
            role_arn=role.arn,
            version=options.kubernetes_version or None,
            # At the end of its standard time a version is replaced by the next, in place of costing six times as much.
            upgrade_policy={"support_type": "STANDARD"},
            # These three are Auto Mode, all or none. Its own pools of nodes can't carry our tags.
            compute_config={"enabled": True, "node_pools": []},
            storage_config={"block_storage": {"enabled": True}},
            kubernetes_network_config={
                "elastic_load_balancing": {"enabled": True},
                "service_ipv4_cidr": SERVICE_CIDR,
            },
            bootstrap_self_managed_addons=False,
            access_config={"authentication_mode": "API", "bootstrap_cluster_creator_admin_permissions": True},
            vpc_config={
                "subnet_ids": network.control_subnets,
                "endpoint_private_access": True,
                "endpoint_public_access": public,
                **({"public_access_cidrs": list(options.api_networks)} if public else {}),
            },
            encryption_config={"provider": {"key_arn": key_arn}, "resources": ["secrets"]},
            enabled_cluster_log_types=list(_LOGS),
            deletion_protection=options.protect,
            tags=account.tags(_COMPONENT),
            opts=account.child(self, holds_data=True, depends_on=before),
        )

    def _node_role(self) -> list[pulumi.Resource]:
        role, able = roles.declare(
            "node",
            parent=self,
            account=self._account,
            component=_COMPONENT,
            trusts=roles.trust("ec2.amazonaws.com"),
            managed=_NODE_POLICIES,
        )
        self.node_role = role.name
        # EKS does this by itself for its own pools only.
        entry = aws.eks.AccessEntry(
            "node",
            cluster_name=self.name,
            principal_arn=role.arn,
            type="EC2",
            tags=self._account.tags(_COMPONENT),
            opts=self._account.child(self),
        )
        return [*able, self._policy("node", role.arn, _NODE_ACCESS, (), entry)]

    def _grant(self, given: ClusterAccess) -> list[pulumi.Resource]:
        entry = aws.eks.AccessEntry(
            given.name,
            cluster_name=self.name,
            principal_arn=given.principal_arn,
            type="STANDARD",
            kubernetes_groups=list(given.groups),
            tags=self._account.tags(_COMPONENT),
            opts=self._account.child(self),
        )
        if not given.policy:
            return [entry]
        return [entry, self._policy(given.name, given.principal_arn, given.policy, given.namespaces, entry)]

    def _policy(
        self,
        name: str,
        principal_arn: pulumi.Input[str],
        policy: str,
        namespaces: tuple[str, ...],
        entry: aws.eks.AccessEntry,
    ) -> pulumi.Resource:
        scope = {"type": "namespace", "namespaces": list(namespaces)} if namespaces else {"type": "cluster"}
        return aws.eks.AccessPolicyAssociation(
            name,
            cluster_name=self.name,
            principal_arn=principal_arn,
            policy_arn=f"arn:{self._account.partition.name}:eks::aws:cluster-access-policy/{policy}",
            access_scope=scope,
            opts=self._account.child(self, depends_on=[entry]),
        )


def cluster_name(account: Account) -> str:
    """What the environment's cluster is called."""
    return account.name(limit=_NAME_LIMIT)


def _kubeconfig(endpoint: str, authority: str, *, name: str, region: str) -> str:
    """A kubeconfig.

    Args:
        endpoint: URL of the API server.
        authority: base64 of the certificate that it is trusted by.
        name: of the cluster, the context and the user.
        region: of the cluster.
    """
    login = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": ["eks", "get-token", "--cluster-name", name, "--region", region, "--output", "json"],
        "installHint": _HINT,
        "interactiveMode": "IfAvailable",
        "provideClusterInfo": False,
    }
    cluster = {"server": endpoint, "certificate-authority-data": authority}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [{"name": name, "user": {"exec": login}}],
    }
    return json.dumps(content, sort_keys=True)
