"""Finding what a deleted cluster has left on AWS, and telling it from what is somebody else's.

A name or a place doesn't tell whose something is; the tags do, which EKS and the controllers in the cluster put on what
they make. What carries none of them is only ever named. In the environment's own network the cluster's tags are enough:
no other cluster is in it. A volume is in no network, and a former cluster of that name may have left it: it is the
environment's by its own tag alone.
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
CLUSTER_TAGS = (
    "eks:eks-cluster-name",
    "aws:eks:cluster-name",
    "elbv2.k8s.aws/cluster",
    "cluster.k8s.amazonaws.com/name",
)
_OWNED = "kubernetes.io/cluster/{}"  # its value says so
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
            *(balancers := [*self._load_balancers(), *self._classic_load_balancers()]),
            *self._target_groups(),
            *self._interfaces({orphan.name for orphan in balancers if orphan.delete is None}),
            *self._volumes(),
            *self._security_groups(),
        ]

    def _is_of_cluster(self, tags: dict[str, str]) -> bool:
        if tags.get(ENVIRONMENT_TAG, self._environment) != self._environment:
            return False
        return any(tags.get(tag) == self._cluster for tag in CLUSTER_TAGS) or (
            tags.get(_OWNED.format(self._cluster)) == "owned"
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
            name = f"load balancer {called}"
            for told in _tags_of(self._classic, LoadBalancerNames=[called]):
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
            for told in _tags_of(self._balancing, ResourceArns=arns[begin : begin + _TAGS_BATCH]):
                yield told["ResourceArn"], connection.tags(told["Tags"])

    def _interfaces(self, of_others: set[str]) -> Iterator[Orphan]:
        """Those that keep the network: the cluster's, and those that AWS takes away after something else has gone.

        Args:
            of_others: the load balancers that stay, by their names here: so do their interfaces.
        """
        for item in _all(self._ec2, "describe_network_interfaces", "NetworkInterfaces", self._in_network()):
            if item.get("InterfaceType") in _OF_THE_NETWORK:
                continue
            identity = item["NetworkInterfaceId"]
            name = f"network interface {identity} ({item.get('Description') or 'without a description'})"
            own = self._is_of_cluster(connection.tags(item.get("TagSet", [])))
            if own and item["Status"] == "available":
                delete = partial(self._ec2.delete_network_interface, NetworkInterfaceId=identity)
                yield Orphan(name=name, state="being deleted", delete=delete)
            elif own or self._is_passing(str(item.get("Description", "")), of_others):
                yield Orphan(name=name, state=f"{item['Status']}, AWS takes it away")
            else:
                yield _foreign(name)

    def _is_passing(self, description: str, of_others: set[str]) -> bool:
        """Whether an interface goes by itself: the control plane's, and that of a load balancer that goes.

        The latter's description is "ELB app/NAME/ID", or "ELB NAME" for a classic one.
        """
        if description == f"Amazon EKS {self._cluster}":
            return True
        service, _, balancer = description.partition(" ")
        kind, _, rest = balancer.partition("/")
        name = rest.partition("/")[0] or kind
        return service == "ELB" and f"load balancer {name}" not in of_others

    def _volumes(self) -> Iterator[Orphan]:
        """The environment's: they stop no network from going, and would cost for ever."""
        filters = [{"Name": f"tag:{ENVIRONMENT_TAG}", "Values": [self._environment]}]
        for item in _all(self._ec2, "describe_volumes", "Volumes", filters):
            if connection.tags(item.get("Tags", [])).get(ENVIRONMENT_TAG) != self._environment:
                continue
            identity = item["VolumeId"]
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


def _tags_of(client: Any, **named: list[str]) -> list[dict[str, Any]]:
    """The tags of load balancers or target groups, but for those that have gone since they were listed."""
    from botocore.exceptions import ClientError

    ((key, names),) = named.items()
    try:
        found: list[dict[str, Any]] = client.describe_tags(**named)["TagDescriptions"]
    except ClientError as error:
        if not error.response["Error"]["Code"].endswith("NotFound"):
            raise
        return [told for name in names for told in _tags_of(client, **{key: [name]})] if len(names) > 1 else []
    return found


def _foreign(name: str) -> Orphan:
    return Orphan(name=name, state="not the cluster's", passing=False)


def _all(client: Any, operation: str, key: str, filters: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    arguments = {"Filters": filters} if filters else {}
    return [item for page in client.get_paginator(operation).paginate(**arguments) for item in page[key]]
