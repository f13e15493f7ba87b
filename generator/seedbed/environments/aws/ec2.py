"""How EC2 and its load balancers are asked for what an environment has, and for what its cluster made by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from seedbed.environments.aws.errors import code_of
from seedbed.environments.aws.scope import (
    CLUSTER_TAG,
    CLUSTER_TAGS,
    ENDING_STATES,
    ENVIRONMENT_TAG,
    GONE_STATES,
    Found,
    Scope,
    pages,
)

_TAGS_AT_ONCE = 20
_BY_NAME, _BY_ARN = "LoadBalancerNames", "ResourceArns"
# Service, what is listed, how, and what its tags are asked by.
_BALANCING = (
    ("elbv2", "load balancer", "describe_load_balancers", "LoadBalancers", "LoadBalancerArn", _BY_ARN),
    ("elbv2", "target group", "describe_target_groups", "TargetGroups", "TargetGroupArn", _BY_ARN),
    ("elb", "load balancer", "describe_load_balancers", "LoadBalancerDescriptions", "LoadBalancerName", _BY_NAME),
)


@dataclass(frozen=True)
class Ec2:
    """How EC2 lists things of a kind."""

    name: str
    operation: str
    answer: str
    id: str
    arn: str
    types: tuple[str, ...]
    filters: str = "Filters"
    made_by_cluster: bool = False


LISTS = (
    Ec2("VPC", "describe_vpcs", "Vpcs", "VpcId", "vpc", ("ec2/vpc:Vpc",)),
    Ec2("subnet", "describe_subnets", "Subnets", "SubnetId", "subnet", ("ec2/subnet:Subnet",)),
    Ec2(
        "internet gateway", "describe_internet_gateways", "InternetGateways", "InternetGatewayId",
        "internet-gateway", ("ec2/internetGateway:InternetGateway",),
    ),
    Ec2(
        "NAT gateway", "describe_nat_gateways", "NatGateways", "NatGatewayId", "natgateway",
        ("ec2/natGateway:NatGateway",),
    ),
    Ec2("elastic IP", "describe_addresses", "Addresses", "AllocationId", "elastic-ip", ("ec2/eip:Eip",)),
    Ec2(
        "route table", "describe_route_tables", "RouteTables", "RouteTableId", "route-table",
        ("ec2/routeTable:RouteTable",),
    ),
    Ec2(
        "security group", "describe_security_groups", "SecurityGroups", "GroupId", "security-group",
        ("ec2/securityGroup:SecurityGroup",), made_by_cluster=True,
    ),
    Ec2(
        "network ACL", "describe_network_acls", "NetworkAcls", "NetworkAclId", "network-acl",
        ("ec2/networkAcl:NetworkAcl",),
    ),
    Ec2(
        "VPC endpoint", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId", "vpc-endpoint",
        ("ec2/vpcEndpoint:VpcEndpoint",),
    ),
    Ec2(
        "flow log", "describe_flow_logs", "FlowLogs", "FlowLogId", "vpc-flow-log", ("ec2/flowLog:FlowLog",),
        filters="Filter",
    ),
    Ec2("volume", "describe_volumes", "Volumes", "VolumeId", "volume", (), made_by_cluster=True),
    Ec2("network interface", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId",
         "network-interface", (), made_by_cluster=True),
    Ec2("launch template", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateId", "launch-template", (),
         made_by_cluster=True),
    Ec2("snapshot", "describe_snapshots", "Snapshots", "SnapshotId", "snapshot", ()),
)  # fmt: skip


def _asked(scope: Scope, *, of_cluster: bool) -> list[list[dict[str, Any]]]:
    """Filters to be asked for one after another: our tag, and for what the cluster makes its own marks."""
    asked = [[{"Name": f"tag:{ENVIRONMENT_TAG}", "Values": [scope.environment]}]]
    if of_cluster and scope.cluster:
        asked += [[{"Name": f"tag:{key}", "Values": [scope.cluster]}] for key in CLUSTER_TAGS]
        asked += [[{"Name": f"tag:{CLUSTER_TAG.format(scope.cluster)}", "Values": ["owned"]}]]
    return asked


def search_of(kind: Ec2) -> Callable[[Scope], Iterator[Found]]:
    """A search for things of one kind."""

    def search(scope: Scope) -> Iterator[Found]:
        client = scope.account.client("ec2")
        seen: dict[str, Any] = {}
        for filters in _asked(scope, of_cluster=kind.made_by_cluster):
            for item in pages(client, kind.operation, kind.answer, **{kind.filters: filters}):
                # The filter is AWS's word; what is ours is decided here, by the tag itself.
                tags = item.get("Tags", item.get("TagSet", ()))
                if scope.owns(tags) or _of_cluster(scope, tags):
                    seen[str(item[kind.id])] = item
        for name, item in sorted(seen.items()):
            state = str(item.get("State", item.get("Status", "")))
            if state not in GONE_STATES:
                yield Found(kind.name, name, state in ENDING_STATES)

    return search


def instances(scope: Scope) -> Iterator[Found]:
    """Machines; those that ended stay in EC2's list for an hour."""
    client = scope.account.client("ec2")
    states = {
        str(instance["InstanceId"]): str(instance["State"]["Name"])
        for filters in _asked(scope, of_cluster=True)
        for reservation in pages(client, "describe_instances", "Reservations", Filters=filters)
        for instance in reservation["Instances"]
    }
    for name, state in sorted(states.items()):
        if state not in GONE_STATES:
            yield Found("instance", name, state in ENDING_STATES)


def in_the_network(scope: Scope) -> Iterator[str]:
    """Network interfaces, anybody's, that keep a VPC of ours from being deleted."""
    client = scope.account.client("ec2")
    for vpc in pages(client, "describe_vpcs", "Vpcs", Filters=_asked(scope, of_cluster=False)[0]):
        inside = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
        for item in pages(client, "describe_network_interfaces", "NetworkInterfaces", Filters=inside):
            what = item.get("Description") or item.get("InterfaceType", "interface")
            yield f"network interface {item['NetworkInterfaceId']} in {vpc['VpcId']}: {what}"


def balancers(scope: Scope) -> Iterator[Found]:
    """Load balancers and their target groups."""
    for service, kind, operation, answer, key, asked in _BALANCING:
        client = scope.account.client(service)
        names = [str(item[key]) for item in pages(client, operation, answer)]
        for start in range(0, len(names), _TAGS_AT_ONCE):
            for described in _tags_of(client, **{asked: names[start : start + _TAGS_AT_ONCE]}):
                if scope.owns(described["Tags"]) or _of_cluster(scope, described["Tags"]):
                    yield Found(kind, described[key if asked == _BY_NAME else "ResourceArn"].rpartition(":")[2])


def _tags_of(client: Any, **named: list[str]) -> list[dict[str, Any]]:
    """Tags of several at once; one by one if some have gone since they were listed."""
    from botocore.exceptions import ClientError

    ((asked, names),) = named.items()
    try:
        found: list[dict[str, Any]] = client.describe_tags(**named).get("TagDescriptions") or []
    except ClientError as error:
        if not code_of(error).endswith("NotFound"):
            raise
        return [told for name in names for told in _tags_of(client, **{asked: [name]})] if len(names) > 1 else []
    return found


def _of_cluster(scope: Scope, tags: Iterable[dict[str, str]]) -> bool:
    if not scope.cluster:
        return False
    found = {tag["Key"]: tag["Value"] for tag in tags}
    # A cluster's own say "owned"; "shared" is what it uses and others do too.
    return found.get(CLUSTER_TAG.format(scope.cluster)) == "owned" or any(
        found.get(key) == scope.cluster for key in CLUSTER_TAGS
    )
