"""What the cluster itself may do in the account, beyond what EKS's own policies say."""

from __future__ import annotations

from typing import Any

from mlops_platform.components.aws.account import Account
from mlops_platform.components.aws.policies import Statement, allow

_CLUSTER = "aws:RequestTag/eks:eks-cluster-name"


def statements(account: Account, cluster_name: str, key_arn: str) -> list[Statement]:
    """The rights of the cluster's role.

    EKS's own policies let a cluster make instances, volumes, interfaces and load balancers with EKS's own tags and no
    others, but each must carry the environment's: it is looked for by them after `down`. So they may be made with any
    tags, as long as they carry the cluster's name:
    https://docs.aws.amazon.com/eks/latest/userguide/auto-cluster-iam-role.html#tag-prop

    Args:
        account: where.
        cluster_name: of the cluster.
        key_arn: of the key that the secrets in it are encrypted with.
    """
    # What these are made of belongs to AWS's images or is there already, and EKS's own policies let a cluster use it.
    own = account.arn("ec2", "*")
    return [
        allow(
            "ec2:CreateFleet",
            "ec2:CreateLaunchTemplate",
            "ec2:RunInstances",
            on=own,
            when=_named(cluster_name, "eks:kubernetes-node-class-name", "eks:kubernetes-node-pool-name"),
        ),
        allow("ec2:CreateVolume", on=own, when=_named(cluster_name)),
        allow("ec2:CreateNetworkInterface", on=own, when=_named(cluster_name, "eks:kubernetes-cni-node-name")),
        allow("ec2:CreateSecurityGroup", on=own, when=_named(cluster_name)),
        allow(
            "elasticloadbalancing:CreateListener",
            "elasticloadbalancing:CreateLoadBalancer",
            "elasticloadbalancing:CreateRule",
            "elasticloadbalancing:CreateTargetGroup",
            on=account.arn("elasticloadbalancing", "*"),
            when=_named(cluster_name),
        ),
        allow("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:ListGrants", on=key_arn),
    ]


def _named(cluster_name: str, *keys: str) -> dict[str, dict[str, Any]]:
    """The condition that something carries the cluster's name, and these tags with any value."""
    found: dict[str, dict[str, Any]] = {"StringEquals": {_CLUSTER: cluster_name}}
    return {**found, "StringLike": {f"aws:RequestTag/{key}": "*" for key in keys}} if keys else found
