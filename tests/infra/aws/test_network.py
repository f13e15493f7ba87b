import ipaddress
import json

import pytest
from tests.infra.aws import graph

from mlops_platform.components.aws import account
from mlops_platform.components.aws.network import Network

KEY = "arn:aws:kms:eu-west-1:123456789012:key/made"
ZONES = ["euw1-az1", "euw1-az2", "euw1-az3"]


@pytest.fixture
def network(record, configured):
    def run(**values):
        made = {}

        def declare():
            made["network"] = Network("network", account=account.connect(configured(**values)), key_arn=KEY)

        region = values.get("region", "eu-west-1")
        recorded = record(declare, outputs=lambda *args: graph.answers(*args, region=region))
        recorded.network = made["network"]
        return recorded

    return run


def subnets(recorded, kind):
    return [r for r in recorded.all("Subnet") if r.name.startswith(f"{kind}-")]


def table_of(recorded, subnet):
    (found,) = [r for r in recorded.all("RouteTableAssociation") if r.inputs["subnetId"] == f"Subnet-{subnet.name}-id"]
    return found.inputs["routeTableId"]


def way_out(recorded, subnet):
    """Through what a subnet reaches the internet, as far as its table says."""
    table = table_of(recorded, subnet)
    routes = [r.inputs for r in recorded.all("Route") if r.inputs["routeTableId"] == table]
    return [route.get("gatewayId") or route.get("natGatewayId") for route in routes]


def test_the_subnets_share_the_networks_addresses(network):
    recorded = network()
    whole = ipaddress.ip_network(recorded.find("Vpc").inputs["cidrBlock"])
    found = {r.name: ipaddress.ip_network(r.inputs["cidrBlock"]) for r in recorded.all("Subnet")}
    assert sorted(found) == sorted(f"{kind}-{zone}" for kind in ("private", "public", "control") for zone in ZONES)
    assert all(net.subnet_of(whole) for net in found.values())
    names = list(found)
    assert not [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if found[a].overlaps(found[b])]
    assert {net.prefixlen for name, net in found.items() if name.startswith("private")} == {18}
    assert recorded.network.control_cidrs == tuple(str(found[f"control-{zone}"]) for zone in ZONES)


@pytest.mark.parametrize(("given", "private"), [("172.16.0.0/16", 18), ("10.20.240.0/20", 22)])
def test_the_addresses_are_the_settings(network, given, private):
    recorded = network(networkCidr=given)
    whole = ipaddress.ip_network(given)
    found = {r.name: ipaddress.ip_network(r.inputs["cidrBlock"]) for r in recorded.all("Subnet")}
    assert recorded.find("Vpc").inputs["cidrBlock"] == given == recorded.find("LastingChoice").inputs["value"]
    assert all(net.subnet_of(whole) for net in found.values())
    assert not [(a, b) for a in found for b in found if a < b and found[a].overlaps(found[b])]
    assert {net.prefixlen for name, net in found.items() if name.startswith("private")} == {private}


def test_a_subnet_is_in_the_zone_that_it_is_named_after(network):
    recorded = network()
    assert all(r.name.endswith(r.inputs["availabilityZoneId"]) for r in recorded.all("Subnet"))


def test_a_region_with_two_zones_for_everybody_gets_two(network):
    recorded = network(region="us-west-1", size="ha")
    assert {r.inputs["availabilityZoneId"] for r in recorded.all("Subnet")} == {"usw1-az1", "usw1-az3"}
    assert len(recorded.all("NatGateway")) == 2
    assert len(recorded.network.control_cidrs) == 2


def test_load_balancers_find_their_subnets_and_nothing_gets_a_public_address_by_itself(network):
    recorded = network()
    roles = {
        kind: {key for r in subnets(recorded, kind) for key in r.inputs["tags"] if key.startswith("kubernetes.io/")}
        for kind in ("private", "public", "control")
    }
    assert roles == {
        "private": {"kubernetes.io/role/internal-elb"},
        "public": {"kubernetes.io/role/elb"},
        "control": set(),
    }
    assert {r.inputs["mapPublicIpOnLaunch"] for r in recorded.all("Subnet")} == {False}


@pytest.mark.parametrize(("size", "nats"), [("small", 1), ("standard", 1), ("ha", 3)])
def test_nodes_go_out_through_a_nat_of_which_ha_has_one_a_zone(network, size, nats):
    recorded = network(size=size)
    assert len(recorded.all("NatGateway")) == len(recorded.all("Eip")) == nats
    for subnet in subnets(recorded, "private"):
        own = subnet.inputs["availabilityZoneId"]
        assert way_out(recorded, subnet) == [f"NatGateway-nat-{own if nats > 1 else ZONES[0]}-id"]
    for nat in recorded.all("NatGateway"):
        assert nat.inputs["subnetId"] == f"Subnet-public-{nat.name.removeprefix('nat-')}-id"


def test_only_public_subnets_reach_the_internet_themselves_and_control_subnets_nothing(network):
    recorded = network(size="ha")
    assert [way_out(recorded, r) for r in subnets(recorded, "public")] == [["InternetGateway-network-id"]] * 3
    assert [way_out(recorded, r) for r in subnets(recorded, "control")] == [[]] * 3


def test_another_size_changes_nats_and_routes_and_nothing_else(network):
    def others(recorded):
        changed = {"NatGateway", "Eip", "Route"}
        return {key: inputs for key, inputs in graph.inputs(recorded).items() if key[0] not in changed}

    assert others(network(size="standard")) == others(network(size="ha"))


def test_the_same_settings_declare_the_same(network):
    assert graph.inputs(network(size="ha")) == graph.inputs(network(size="ha"))


def test_a_nat_waits_for_the_way_out_of_its_own_subnet(network):
    recorded = network(size="ha")
    for found in (*recorded.all("NatGateway"), *recorded.all("Eip")):
        there = graph.before(recorded, found)
        zone = found.name.removeprefix("nat-")
        assert {
            ("InternetGateway", "network"),
            ("Route", "public"),
            ("RouteTableAssociation", f"public-{zone}"),
        } <= there


def test_ready_is_the_way_out_of_every_private_subnet(network):
    recorded = network(size="ha")
    names = {resource._name for resource in recorded.network.ready}
    assert names == {*(f"private-{zone}" for zone in ZONES), "s3"}
    assert len(recorded.network.ready) == 7  # a route and an association in each zone, and the endpoint


def test_through_the_endpoint_goes_all_with_own_buckets_and_reading_from_others(network):
    recorded = network()
    endpoint = recorded.find("VpcEndpoint", "s3")
    assert endpoint.inputs["serviceName"] == "com.amazonaws.eu-west-1.s3"
    assert endpoint.inputs["vpcEndpointType"] == "Gateway"
    assert set(endpoint.inputs["routeTableIds"]) == {table_of(recorded, r) for r in subnets(recorded, "private")}
    own, others = json.loads(endpoint.inputs["policy"])["Statement"]
    assert own["Condition"] == {"StringEquals": {"aws:ResourceAccount": "123456789012"}}
    assert own["Action"] == ["s3:*"]
    assert "Condition" not in others
    assert all(action.startswith(("s3:Get", "s3:List")) for action in others["Action"])


def test_flows_are_logged_by_a_role_that_can_do_nothing_else(network):
    recorded = network()
    log, group = recorded.find("FlowLog"), recorded.find("LogGroup")
    assert log.inputs["trafficType"] == "ALL"
    assert log.inputs["vpcId"] == "Vpc-network-id"
    assert (group.inputs["kmsKeyId"], group.inputs["retentionInDays"]) == (KEY, 365)
    assert ("RolePolicy", "flow-logs") in graph.before(recorded, log)
    trust = json.loads(recorded.find("Role").inputs["assumeRolePolicy"])["Statement"]
    assert [statement["Principal"] for statement in trust] == [{"Service": "vpc-flow-logs.amazonaws.com"}]
    assert trust[0]["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": "arn:aws:ec2:eu-west-1:123456789012:vpc-flow-log/*"},
    }
    rights = json.loads(recorded.find("RolePolicy").inputs["policy"])["Statement"]
    arn = f"arn:aws:logs:eu-west-1:123456789012:log-group:{group.inputs['name']}"
    assert [statement["Resource"] for statement in rights if "logs:PutLogEvents" in statement["Action"]] == [
        [arn, f"{arn}:*"]
    ]
    assert {action for statement in rights for action in statement["Action"]} == {
        "logs:CreateLogStream",
        "logs:DescribeLogGroups",
        "logs:DescribeLogStreams",
        "logs:PutLogEvents",
    }


def test_what_is_made_without_a_security_group_reaches_nothing(network):
    closed = network().find("DefaultSecurityGroup")
    assert closed.inputs["vpcId"] == "Vpc-network-id"
    assert not closed.inputs.get("ingress")
    assert not closed.inputs.get("egress")


@pytest.mark.parametrize("size", ["small", "ha"])
def test_everything_carries_a_tag(network, size):
    recorded = network(size=size)
    assert recorded.resources
    assert graph.untagged(recorded) == []


def test_long_names_stay_within_the_limits(network):
    recorded = network(project="p" * 40, stack="s" * 20)
    assert len(recorded.find("Role").inputs["name"]) <= 64
    names = [r.inputs["tags"]["Name"] for r in recorded.resources if "Name" in r.inputs.get("tags", {})]
    assert len(names) > 20
    assert max(map(len, names)) <= 256


@pytest.mark.parametrize(
    ("region", "partition"), [("cn-northwest-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws")]
)
def test_arns_are_of_the_regions_partition(network, region, partition):
    found = {arn for r in network(region=region).resources for arn in graph.arns(r.inputs)} - {KEY}
    assert len(found) > 3
    assert {arn.split(":")[1] for arn in found} == {partition}
