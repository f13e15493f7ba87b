"""Finding what a deleted cluster has left on AWS, and telling it from what is somebody else's.

A name or a place doesn't tell whose something is; the tags do, which EKS and the controllers in the cluster put on what
they make. What carries none of them is only ever named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from mlops_platform.resources.aws import connection
from mlops_platform.resources.aws.connection import ENVIRONMENT_TAG

_TAGS_BATCH = 20  # the most load balancers whose tags one request tells
# Of EKS, of its load balancers, and of the same controllers where a team runs them itself; the value is the cluster.
_CLUSTER_TAGS = (
    "eks:eks-cluster-name",
    "aws:eks:cluster-name",
    "elbv2.k8s.aws/cluster",
    "cluster.k8s.amazonaws.com/name",
)
# Interfaces of what the network itself is made of: they go with it.
_OF_THE_NETWORK = frozenset({"nat_gateway", "vpc_endpoint", "gateway_load_balancer_endpoint"})
# What AWS says while it hasn't seen yet that the user of something is gone. Of an interface it says no more than that
# the parameter is wrong.
_IN_USE = frozenset({"DependencyViolation", "InvalidParameterValue", "ResourceInUse", "VolumeInUse"})


@dataclass(frozen=True, kw_only=True)
class Orphan:
    """Something that is left.

    Attributes:
        name: kind and ID.
        state: why it is still there, in words.
        delete: deletes it; None: it isn't provably the cluster's, or still in use.
        passing: whether it is going, so that waiting is of use.
    """

    name: str
    state: str
    delete: Callable[[], object] | None = None
    passing: bool = True


class Finder:
    """Looks for what a cluster has left.

    Args:
        props: of a resource: its `cluster`, `network`, `region` and `environment`.
    """

    def __init__(self, props: dict[str, Any]) -> None:
        self._cluster, self._network, self._environment = (
            str(props[key]) for key in ("cluster", "network", "environment")
        )
        self._ec2, self._balancing, self._classic = (connection.client(name, props) for name in ("ec2", "elbv2", "elb"))

    def find(self) -> list[Orphan]:
        """All that is left, in the order in which it has to go.

        Raises:
            botocore's errors: AWS doesn't say what there is.
        """
        return [
            *self._load_balancers(),
            *self._classic_load_balancers(),
            *self._target_groups(),
            *self._interfaces(),
            *self._volumes(),
            *self._security_groups(),
        ]

    def _is_of_cluster(self, tags: dict[str, str]) -> bool:
        if tags.get(ENVIRONMENT_TAG, self._environment) != self._environment:
            return False
        return any(tags.get(tag) == self._cluster for tag in _CLUSTER_TAGS) or (
            tags.get(f"kubernetes.io/cluster/{self._cluster}") == "owned"
        )

    def _is_own(self, tags: dict[str, str]) -> bool:
        """Whether something is the cluster's, of a kind of which the stack itself has none."""
        return tags.get(ENVIRONMENT_TAG) == self._environment or self._is_of_cluster(tags)

    def _load_balancers(self) -> Iterator[Orphan]:
        found = _all(self._balancing, "describe_load_balancers", "LoadBalancers")
        here = {item["LoadBalancerArn"]: item for item in found if item.get("VpcId") == self._network}
        for arn, tags in self._balancing_tags(list(here)):
            name = f"load balancer {here[arn]['LoadBalancerName']}"
            if self._is_own(tags):
                delete = partial(self._balancing.delete_load_balancer, LoadBalancerArn=arn)
                yield Orphan(name=name, state="being deleted", delete=delete)
            else:
                yield _foreign(name)

    def _classic_load_balancers(self) -> Iterator[Orphan]:
        found = _all(self._classic, "describe_load_balancers", "LoadBalancerDescriptions")
        for item in found:
            if item.get("VPCId") != self._network:
                continue
            called = item["LoadBalancerName"]
            (told,) = self._classic.describe_tags(LoadBalancerNames=[called])["TagDescriptions"]
            name = f"load balancer {called}"
            if self._is_own(connection.tags(told["Tags"])):
                delete = partial(self._classic.delete_load_balancer, LoadBalancerName=called)
                yield Orphan(name=name, state="being deleted", delete=delete)
            else:
                yield _foreign(name)

    def _target_groups(self) -> Iterator[Orphan]:
        """Only the cluster's: they stop nothing from going, and would be left for ever."""
        found = _all(self._balancing, "describe_target_groups", "TargetGroups")
        here = {item["TargetGroupArn"]: item for item in found if item.get("VpcId") == self._network}
        for arn, tags in self._balancing_tags(list(here)):
            if self._is_own(tags):
                delete = partial(self._balancing.delete_target_group, TargetGroupArn=arn)
                name = f"target group {here[arn]['TargetGroupName']}"
                yield Orphan(name=name, state="being deleted", delete=delete)

    def _balancing_tags(self, arns: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
        for begin in range(0, len(arns), _TAGS_BATCH):
            answer = self._balancing.describe_tags(ResourceArns=arns[begin : begin + _TAGS_BATCH])
            for told in answer["TagDescriptions"]:
                yield told["ResourceArn"], connection.tags(told["Tags"])

    def _interfaces(self) -> Iterator[Orphan]:
        for item in _all(self._ec2, "describe_network_interfaces", "NetworkInterfaces", self._in_network()):
            if item.get("InterfaceType") in _OF_THE_NETWORK:
                continue
            identity = item["NetworkInterfaceId"]
            name = f"network interface {identity} ({item.get('Description') or 'without a description'})"
            own = self._is_of_cluster(connection.tags(item.get("TagSet", [])))
            if own and item["Status"] == "available":
                delete = partial(self._ec2.delete_network_interface, NetworkInterfaceId=identity)
                yield Orphan(name=name, state="being deleted", delete=delete)
            elif own or item.get("RequesterManaged") or item.get("Description") == f"Amazon EKS {self._cluster}":
                yield Orphan(name=name, state=f"{item['Status']}, AWS takes it away")
            else:
                yield _foreign(name)

    def _volumes(self) -> Iterator[Orphan]:
        """Those of the cluster: they stop no network from going, and would cost for ever."""
        filters: list[dict[str, Any]] = [
            {"Name": f"tag:{ENVIRONMENT_TAG}", "Values": [self._environment]},
            {"Name": f"tag:{_CLUSTER_TAGS[0]}", "Values": [self._cluster]},
            {"Name": f"tag:kubernetes.io/cluster/{self._cluster}", "Values": ["owned"]},
        ]
        found = {
            item["VolumeId"]: item for one in filters for item in _all(self._ec2, "describe_volumes", "Volumes", [one])
        }
        for identity, item in found.items():
            if not self._is_own(connection.tags(item.get("Tags", []))):
                continue
            if item["State"] in {"available", "error"}:
                delete = partial(self._ec2.delete_volume, VolumeId=identity)
                yield Orphan(name=f"volume {identity}", state="being deleted", delete=delete)
            else:
                yield Orphan(name=f"volume {identity}", state=item["State"])

    def _security_groups(self) -> Iterator[Orphan]:
        for item in _all(self._ec2, "describe_security_groups", "SecurityGroups", self._in_network()):
            tags = connection.tags(item.get("Tags", []))
            name = f"security group {item['GroupId']} ({item['GroupName']})"
            if self._is_of_cluster(tags):
                yield Orphan(name=name, state="being deleted", delete=partial(self._delete_group, item))
            elif item["GroupName"] != "default" and tags.get(ENVIRONMENT_TAG) != self._environment:
                yield _foreign(name)

    def _delete_group(self, group: dict[str, Any]) -> None:
        """Delete it, and its rules before: groups that name each other would hold each other."""
        for rules, revoke in (
            ("IpPermissions", self._ec2.revoke_security_group_ingress),
            ("IpPermissionsEgress", self._ec2.revoke_security_group_egress),
        ):
            if group.get(rules):
                delete(partial(revoke, GroupId=group["GroupId"], IpPermissions=group[rules]))
        self._ec2.delete_security_group(GroupId=group["GroupId"])

    def _in_network(self) -> list[dict[str, Any]]:
        return [{"Name": "vpc-id", "Values": [self._network]}]


def delete(call: Callable[[], object]) -> None:
    """Delete something; what is gone meanwhile, or in use by what is on its way out, is for the next look.

    Raises:
        botocore's errors: AWS refuses for another reason.
    """
    from botocore.exceptions import ClientError

    try:
        call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code not in _IN_USE and not code.endswith("NotFound"):
            raise


def _foreign(name: str) -> Orphan:
    return Orphan(name=name, state="not the cluster's", passing=False)


def _all(client: Any, operation: str, key: str, filters: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    arguments = {"Filters": filters} if filters else {}
    return [item for page in client.get_paginator(operation).paginate(**arguments) for item in page[key]]
