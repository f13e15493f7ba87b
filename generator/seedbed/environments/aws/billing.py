"""What is paid for, by the types of an environment's resources."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from seedbed.environments.aws.declared import Declared
from seedbed.environments.cluster.demand import Workload

# Paid for as long as it is there: type → key of its price.
KEPT = {
    "aws:ec2/eip:Eip": "public-ipv4",
    "aws:ec2/natGateway:NatGateway": "nat-gateway",
    "aws:eks/cluster:Cluster": "eks-cluster",
    "aws:kms/key:Key": "kms-key",
}
# Paid for by what is in it.
USED = {
    "aws:cloudwatch/logGroup:LogGroup": ("logs-taken-in", "logs-kept"),
    "aws:ecr/repository:Repository": ("ecr-storage",),
    "aws:s3/bucket:Bucket": ("s3-storage",),
}
FREE = frozenset(
    {
        "aws:budgets/budget:Budget",  # reports and actions have a price, alarms none
        "aws:ec2/defaultNetworkAcl:DefaultNetworkAcl",
        "aws:ec2/defaultRouteTable:DefaultRouteTable",
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        "aws:ec2/flowLog:FlowLog",  # what it writes is paid for with its log group
        "aws:ec2/internetGateway:InternetGateway",
        "aws:ec2/route:Route",
        "aws:ec2/routeTable:RouteTable",
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "aws:ec2/securityGroup:SecurityGroup",
        "aws:ec2/subnet:Subnet",
        "aws:ec2/vpc:Vpc",
        "aws:ec2/vpcEndpointRouteTableAssociation:VpcEndpointRouteTableAssociation",
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        "aws:ecr/repositoryPolicy:RepositoryPolicy",
        "aws:eks/accessEntry:AccessEntry",
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        "aws:kms/alias:Alias",
        "aws:kms/keyPolicy:KeyPolicy",
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "aws:s3/bucketLogging:BucketLogging",
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        "aws:s3/bucketPolicy:BucketPolicy",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:s3/bucketVersioning:BucketVersioning",
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    }
)
# Add-ons of EKS cost nothing but the room of their pods. EKS's metrics-server comes twice, each on a node of its own
# (repost.aws, "Kubernetes Metrics Server setup recommendations"), and asks for what its project's manifest says.
ADDON_PODS = {"metrics-server": Workload("metrics-server", "100m", "200Mi", "", 2)}
# Whole families: identities, what runs in Pulumi itself, and objects of a cluster, whose nodes and volumes are counted
# by what the pods ask for.
_FREE_FAMILIES = ("aws:iam/", "kubernetes:", "pulumi-python:dynamic", "pulumi-python:dynamic/", "pulumi:")
_ADDON, _ENDPOINT = "aws:eks/addon:Addon", "aws:ec2/vpcEndpoint:VpcEndpoint"
_INGRESS, _SERVICE = "kubernetes:networking.k8s.io/v1:Ingress", "kubernetes:core/v1:Service"
_BALANCERS = "kubernetes:eks.amazonaws.com/v1:IngressClassParams"
_SUBNET = "aws:ec2/subnet:Subnet"
_PUBLIC_SUBNET = "kubernetes.io/role/elb"  # the tag by which public load balancers find theirs


@dataclass
class Billed:
    """What is paid for.

    Attributes:
        kept: key of a price → how many of it are there all the time.
        used: keys of the prices of what is paid for by its use.
        unknown: type → how many, of what nothing is known.
    """

    kept: Counter[str] = field(default_factory=Counter)
    used: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)


def billed(resources: Iterable[Declared]) -> Billed:
    """Sort an environment's resources by how they are paid for."""
    found, everything = Billed(), list(resources)
    for resource in everything:
        if key := KEPT.get(resource.type):
            found.kept[key] += 1
        elif keys := USED.get(resource.type):
            found.used.update(keys)
        elif what := _unknown(resource):
            found.unknown[what] += 1
    _load_balancers(everything, found)
    return found


def _unknown(resource: Declared) -> str:
    """What nothing is known of; empty when the resource is free, or counted with others."""
    if resource.type == _ENDPOINT:
        kind = resource.inputs.get("vpcEndpointType", "Gateway")
        return "" if kind == "Gateway" else f"{_ENDPOINT} ({kind})"
    if resource.type == _ADDON:  # what runs of it is counted with the pods
        addon = resource.inputs["addonName"]
        return "" if addon in ADDON_PODS else f"{_ADDON} ({addon})"
    if resource.type == _SERVICE:
        kind = _spec(resource).get("type")
        return f"{_SERVICE} ({kind})" if kind == "LoadBalancer" else ""
    return "" if resource.type in FREE or resource.type.startswith(_FREE_FAMILIES) else resource.type


def _load_balancers(everything: list[Declared], found: Billed) -> None:
    """Those that EKS makes for Ingresses: one for each, or one for a group, with an address in each public subnet."""
    ingresses = sum(resource.type == _INGRESS for resource in everything)
    parameters = next((_spec(resource) for resource in everything if resource.type == _BALANCERS), None)
    if not ingresses:
        return
    if parameters is None:  # somebody else's controller serves them
        found.unknown[f"{_INGRESS} (of another class)"] = ingresses
        return
    balancers = 1 if parameters.get("group") else ingresses
    found.kept["application-load-balancer"] += balancers
    if parameters.get("scheme") == "internet-facing":
        found.kept["public-ipv4"] += balancers * sum(
            r.type == _SUBNET and _PUBLIC_SUBNET in (r.inputs.get("tags") or {}) for r in everything
        )


def addon_pods(resources: Iterable[Declared]) -> list[Workload]:
    """What the cluster's add-ons run beside the platform."""
    found = []
    for resource in resources:
        if resource.type == _ADDON and (pods := ADDON_PODS.get(resource.inputs["addonName"])):
            chosen = json.loads(resource.inputs.get("configurationValues") or "{}")
            found.append(dataclasses.replace(pods, replicas=chosen.get("replicas", pods.replicas)))
    return found


def _spec(resource: Declared) -> dict[str, Any]:
    return resource.inputs.get("spec") or {}
