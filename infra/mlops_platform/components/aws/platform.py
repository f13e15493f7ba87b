"""The platform on a cluster of the environment's own: the same parts as on any cluster, with S3, ECR and identities."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.aws import ci_trust
from mlops_platform.components.aws.account import Account
from mlops_platform.components.aws.base import Base
from mlops_platform.components.aws.cluster_defaults import ClusterDefaults
from mlops_platform.components.aws.eks import ClusterAccess, ControlPlaneLogs, EksCluster, cluster_name
from mlops_platform.components.aws.identities import Identities
from mlops_platform.components.aws.network import Network
from mlops_platform.components.aws.storage import Storage
from mlops_platform.components.kubernetes import kubeconfig, platform
from mlops_platform.components.kubernetes.access import Access, group
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.namespaces import Namespaces
from mlops_platform.components.kubernetes.platform import Platform, Sources
from mlops_platform.resources.aws.cluster_remains import ClusterRemains

_ADMINISTRATOR = "AmazonEKSClusterAdminPolicy"
_DIGEST_LENGTH = 8


class Identified:
    """S3 as pods use it that have identities: there are no keys.

    Args:
        storage: the environment's buckets.

    Attributes:
        endpoint: empty: AWS itself.
        region: with which requests are signed.
        data_bucket: bucket for data.
        artifact_bucket: bucket for artifacts.
        authority: None: AWS's certificates are public.
    """

    endpoint = ""
    authority = None

    def __init__(self, storage: Storage) -> None:
        self.region = storage.region
        self.data_bucket, self.artifact_bucket = storage.data_bucket, storage.artifact_bucket

    def keys(self, _consumer: str) -> None:
        """None: see `identities.holders`."""


class Pulled:
    """ECR as nodes use it: their role opens it, so they need no secret."""

    def pull_secret(self, _namespace: pulumi.Input[str], _name: str) -> None:
        """None."""


@dataclass(frozen=True)
class OnEks:
    """What has been declared.

    Attributes:
        platform: what runs on the cluster.
        namespace: of the workloads.
        kubeconfig: with which CI reaches the cluster, as whoever AWS takes it for. No secret is in it.
    """

    platform: Platform
    namespace: pulumi.Input[str]
    kubeconfig: pulumi.Output[str]


def declare(account: Account, *, base: Base, sources: Sources) -> OnEks:
    """Declare the network, the cluster and everything on it.

    Args:
        account: where.
        base: the buckets and images that it uses.
        sources: what `platform.read` gave.

    Raises:
        PlatformError: it isn't known which zones the region has.
    """
    assert base.storage is not None  # noqa: S101 - this variant has everything
    network = Network("network", account=account, key_arn=base.key_arn)
    eks = _cluster(account, base, network)
    identities = Identities("identities", account=account, cluster=eks, storage=base.storage, key_arn=base.key_arn)
    provider = _provider(account, eks, network, identities)
    cluster = Cluster(provider=provider, settings=account.settings)
    namespaces = Namespaces("namespaces", cluster=cluster)
    declared = platform.declare(
        cluster,
        namespaces=namespaces,
        sources=sources,
        store=Identified(base.storage),
        registry=Pulled(),
        api_servers=eks.api_servers,
    )
    access = Access("access", cluster=cluster, namespaces=namespaces, kubeflow=declared.kubeflow)
    own = eks.kubeconfig.apply(lambda text: kubeconfig.in_namespace(text, access.namespace))
    return OnEks(declared, namespaces.platform, own)


def _cluster(account: Account, base: Base, network: Network) -> EksCluster:
    logs = ControlPlaneLogs("control-plane-logs", account=account, key_arn=base.key_arn)
    remains = ClusterRemains(
        "cluster-remains",
        cluster=cluster_name(account),
        network=network.vpc_id,
        account=account.id,
        region=account.region,
        environment=account.environment,
        opts=pulumi.ResourceOptions(depends_on=[network, logs], protect=account.options.protect),
    )
    return EksCluster(
        "cluster",
        account=account,
        network=network,
        key_arn=base.key_arn,
        logs=logs,
        access=_access(account, base),
        after=[remains],
    )


def _access(account: Account, base: Base) -> list[ClusterAccess]:
    """What others than its maker may do on the cluster. But for CI's first role these are EKS's own policies."""
    found = [_administrator(arn) for arn in account.options.cluster_admins]
    if (ci := base.ci) is None:
        return found
    found += [
        ClusterAccess(name="ci", principal_arn=ci.ci_role, groups=(group(account.environment),)),
        ClusterAccess(name="apply", principal_arn=ci.apply_role, policy=_ADMINISTRATOR),
    ]
    if ci_trust.PREVIEW in ci_trust.roles(account.options):
        found.append(ClusterAccess(name="preview", principal_arn=ci.preview_role, policy="AmazonEKSViewPolicy"))
    return found


def _administrator(arn: str) -> ClusterAccess:
    """By a name that doesn't depend on who else there is: whoever is taken off the list takes nobody along."""
    digest = hashlib.sha256(arn.encode()).hexdigest()[:_DIGEST_LENGTH]
    name = f"admin-{arn.rpartition('/')[2]}-{digest}"
    return ClusterAccess(name=name, principal_arn=arn, policy=_ADMINISTRATOR)


def _provider(account: Account, eks: EksCluster, network: Network, identities: Identities) -> kubernetes.Provider:
    """For the platform: it comes when there are nodes and identities, and goes before them."""
    first = kubernetes.Provider(
        "cluster-defaults",
        kubeconfig=eks.kubeconfig,
        enable_server_side_apply=True,
        opts=pulumi.ResourceOptions(depends_on=eks.ready),
    )
    defaults = ClusterDefaults(
        "cluster-defaults",
        account=account,
        cluster=Cluster(provider=first, settings=account.settings),
        eks=eks,
        network=network,
    )
    return kubernetes.Provider(
        "cluster",
        kubeconfig=eks.kubeconfig,
        enable_server_side_apply=True,
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
        # A pod is given its role when it is made.
        opts=pulumi.ResourceOptions(depends_on=[defaults, identities]),
    )
