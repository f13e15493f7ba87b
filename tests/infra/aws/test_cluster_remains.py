"""What a cluster leaves, in a network of moto's; what AWS takes away by itself is taken away by the test."""

import pytest
from tests.infra.aws import moto_server
from tests.infra.aws.conftest import ACCOUNT, REGION

from mlops_platform.errors import PlatformError
from mlops_platform.resources.aws import cluster_remains, connection, orphans
from mlops_platform.resources.aws.cluster_remains import ClusterRemainsProvider

provider = ClusterRemainsProvider()
OURS, CLUSTER = {"seedbed:environment": "flights.prod"}, "flights-prod"
OF_CLUSTER = {"eks:eks-cluster-name": CLUSTER}


@pytest.fixture(autouse=True)
def aws(monkeypatch):
    monkeypatch.setattr(cluster_remains, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(cluster_remains, "_WAIT_SECONDS", 20.0)
    with moto_server.serve() as url:
        moto_server.point_at(url, monkeypatch)
        yield


class Network:
    """A network and what is put into it."""

    def __init__(self):
        self.ec2, self.balancing, self.eks = (connection.client(s, {"region": REGION}) for s in ("ec2", "elbv2", "eks"))
        self.classic = connection.client("elb", {"region": REGION})
        self.id = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            self.ec2.create_subnet(VpcId=self.id, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")[
                "Subnet"
            ]["SubnetId"]
            for n, zone in enumerate("ab")
        ]

    def load_balancer(self, name, tags):
        made = self.balancing.create_load_balancer(Name=name, Subnets=self.subnets, Type="network", Tags=listed(tags))
        return made["LoadBalancers"][0]["LoadBalancerArn"]

    def target_group(self, name, tags):
        made = self.balancing.create_target_group(
            Name=name, Protocol="TCP", Port=80, VpcId=self.id, TargetType="ip", Tags=listed(tags)
        )
        return made["TargetGroups"][0]["TargetGroupArn"]

    def interface(self, description, tags):
        made = self.ec2.create_network_interface(
            SubnetId=self.subnets[0], Description=description, TagSpecifications=specified("network-interface", tags)
        )
        return made["NetworkInterface"]["NetworkInterfaceId"]

    def volume(self, tags):
        made = self.ec2.create_volume(
            AvailabilityZone=f"{REGION}a", Size=1, TagSpecifications=specified("volume", tags)
        )
        return made["VolumeId"]

    def group(self, name, tags):
        made = self.ec2.create_security_group(
            GroupName=name, Description=name, VpcId=self.id, TagSpecifications=specified("security-group", tags)
        )
        return made["GroupId"]

    def node(self):
        """An instance outside of the network, for moto keeps the interface of one when it is terminated."""
        made = self.ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)
        return made["Instances"][0]["InstanceId"]

    def left(self):
        """Names and IDs of all that is there, but of moto's own groups and interfaces."""
        here = [{"Name": "vpc-id", "Values": [self.id]}]
        balancers = [b["LoadBalancerName"] for b in self.balancing.describe_load_balancers()["LoadBalancers"]]
        targets = [t["TargetGroupName"] for t in self.balancing.describe_target_groups()["TargetGroups"]]
        interfaces = [
            i["NetworkInterfaceId"] for i in self.ec2.describe_network_interfaces(Filters=here)["NetworkInterfaces"]
        ]
        volumes = [v["VolumeId"] for v in self.ec2.describe_volumes()["Volumes"]]
        groups = [
            g["GroupId"] for g in self.ec2.describe_security_groups()["SecurityGroups"] if g["GroupName"] != "default"
        ]
        classic = [b["LoadBalancerName"] for b in self.classic.describe_load_balancers()["LoadBalancerDescriptions"]]
        return {*balancers, *classic, *targets, *interfaces, *volumes, *groups}


def listed(tags):
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def specified(kind, tags):
    return [{"ResourceType": kind, "Tags": listed(tags)}] if tags else []


@pytest.fixture
def network(aws):
    return Network()


@pytest.fixture
def props(network):
    return {
        "cluster": CLUSTER, "network": network.id, "account": ACCOUNT, "region": REGION,
        "environment": "flights.prod",
    }  # fmt: skip


def test_without_remains_it_is_done_at_once(network, props):
    assert provider.create(props).outs == props
    provider.delete("r", props)


def test_all_that_carries_the_clusters_tags_goes(network, props):
    network.load_balancer("nlb", {"elbv2.k8s.aws/cluster": CLUSTER})
    network.load_balancer("nlb-of-eks", OF_CLUSTER | OURS)
    network.target_group("targets", OF_CLUSTER)
    network.interface("of a pod", {"cluster.k8s.amazonaws.com/name": CLUSTER})
    network.volume(OURS)
    network.volume(OURS | OF_CLUSTER)
    first, second = (network.group(name, OF_CLUSTER) for name in ("first", "second"))
    network.classic.create_load_balancer(
        LoadBalancerName="classic", Subnets=network.subnets, SecurityGroups=[first], Tags=listed({f"kubernetes.io/cluster/{CLUSTER}": "owned"}),
        Listeners=[{"Protocol": "TCP", "LoadBalancerPort": 80, "InstancePort": 80}],
    )  # fmt: skip
    for group, other in ((first, second), (second, first)):  # each holds the other
        network.ec2.authorize_security_group_ingress(
            GroupId=group, IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": other}]}]
        )
    assert len(network.left()) >= 9
    provider.delete("r", props)
    assert network.left() == set()


@pytest.mark.parametrize("kind", ["vpc_endpoint", "nat_gateway"])
def test_what_belongs_to_the_stack_or_its_network_is_left_alone(network, props, monkeypatch, kind):
    group, interface = network.group("of the stack", OURS), network.interface("an endpoint's", OURS)
    connect = connection.client

    def knowing(service, of):
        # moto says of every interface that it is one of the usual kind.
        made = connect(service, of)
        made.meta.events.register(
            "after-call.ec2.DescribeNetworkInterfaces",
            lambda parsed, **_: [found.update(InterfaceType=kind) for found in parsed["NetworkInterfaces"]],
        )
        return made

    monkeypatch.setattr(connection, "client", knowing)
    provider.delete("r", props)
    assert network.left() == {group, interface}


@pytest.mark.parametrize(
    "tags", [{"team": "ops"}, {"eks:eks-cluster-name": "another"}, OF_CLUSTER | {"seedbed:environment": "x.y"}]
)
def test_what_isnt_the_clusters_is_named_and_stays(network, props, tags):
    network.load_balancer("theirs", tags)
    interface, group = network.interface("theirs", tags), network.group("theirs", tags)
    ours = network.interface("ours", OF_CLUSTER)
    with pytest.raises(PlatformError) as blocked:
        provider.delete("r", props)
    for name in ("load balancer theirs", f"interface {interface} (theirs)", f"security group {group} (theirs)"):
        assert f"{name} (not the cluster's)" in blocked.value.problem
    assert {"theirs", interface, group} <= network.left()
    assert ours not in network.left()


def test_volumes_and_target_groups_of_others_are_no_concern(network, props):
    """A volume is in no network: a former cluster of this name, or one outside of EKS, has left others so marked."""
    theirs = {
        network.volume(tags) for tags in (
            {"eks:eks-cluster-name": "another"}, OF_CLUSTER | {"seedbed:environment": "another.prod"}, OF_CLUSTER,
            {f"kubernetes.io/cluster/{CLUSTER}": "owned"},
        )
    }  # fmt: skip
    network.target_group("theirs", {"team": "ops"})
    provider.delete("r", props)
    assert network.left() == {*theirs, "theirs"}


@pytest.mark.parametrize(
    ("description", "named"),
    [
        ("Amazon EKS flights-prod", False),
        ("ELB net/gone/50dc6c495c0c9188", False),
        ("ELB classic-that-is-gone", False),
        ("ELB net/theirs/50dc6c495c0c9188", True),
        ("AWS Lambda VPC ENI-somebodys-function", True),
        ("Amazon EKS another", True),
    ],
)
def test_only_what_goes_by_itself_is_waited_for(network, props, monkeypatch, description, named):
    network.load_balancer("theirs", {"team": "ops"})
    interface = network.interface(description, {})
    looks, find = [], orphans.Finder.find

    def looked(finder):
        looks.append(find(finder))
        if len(looks) == 2:
            network.balancing.delete_load_balancer(LoadBalancerArn=arn)
            network.ec2.delete_network_interface(NetworkInterfaceId=interface)
        return looks[-1]

    (arn,) = [b["LoadBalancerArn"] for b in network.balancing.describe_load_balancers()["LoadBalancers"]]
    monkeypatch.setattr(orphans.Finder, "find", looked)
    if named:
        with pytest.raises(PlatformError, match=rf"{interface} \({description}\) \(not the cluster's\)"):
            provider.delete("r", props)
        assert len(looks) == 1, "waiting is of no use"
    else:
        provider.delete("r", props)


def test_a_load_balancer_that_goes_while_its_tags_are_asked_for_is_gone(network, props, monkeypatch):
    network.load_balancer("going", OF_CLUSTER)
    connect = connection.client

    def racing(service, of):
        made = connect(service, of)
        if service == "elbv2":
            told = made.describe_tags

            def describe_tags(**asked):
                for arn in asked["ResourceArns"]:
                    network.balancing.delete_load_balancer(LoadBalancerArn=arn)
                return told(**asked)

            made.describe_tags = describe_tags
        return made

    monkeypatch.setattr(connection, "client", racing)
    provider.delete("r", props)
    assert network.left() == set()


def test_what_is_in_another_network_is_no_concern(network, props):
    beside = Network()
    beside.load_balancer("theirs", OF_CLUSTER)
    interface = beside.interface("theirs", OF_CLUSTER)
    provider.delete("r", props)
    assert {"theirs", interface} <= beside.left()


def test_what_is_in_use_is_waited_for(network, props, monkeypatch):
    volume, interface = network.volume(OURS), network.interface("of a pod", OF_CLUSTER)
    node = network.node()
    network.ec2.attach_volume(VolumeId=volume, InstanceId=node, Device="/dev/sdf")
    attached = network.ec2.attach_network_interface(NetworkInterfaceId=interface, InstanceId=node, DeviceIndex=1)
    looks, find = [], orphans.Finder.find

    def looked(finder):
        looks.append(find(finder))
        if len(looks) == 3:
            network.ec2.detach_volume(VolumeId=volume, InstanceId=node)
            network.ec2.detach_network_interface(AttachmentId=attached["AttachmentId"])
        return looks[-1]

    monkeypatch.setattr(orphans.Finder, "find", looked)
    provider.delete("r", props)
    assert len(looks) > 3
    assert not {volume, interface} & network.left()


def test_waiting_ends_and_names_what_is_left(network, props, monkeypatch):
    monkeypatch.setattr(cluster_remains, "_WAIT_SECONDS", 0.05)
    volume = network.volume(OURS)
    network.ec2.attach_volume(VolumeId=volume, InstanceId=network.node(), Device="/dev/sdf")
    with pytest.raises(PlatformError, match=rf"is left .*: volume {volume} \(in-use\)"):
        provider.delete("r", props)


def test_nothing_goes_while_the_cluster_lives(network, props):
    network.eks.create_cluster(
        name=CLUSTER, roleArn=f"arn:aws:iam::{ACCOUNT}:role/r", resourcesVpcConfig={"subnetIds": network.subnets}
    )
    volume = network.volume(OURS)
    with pytest.raises(PlatformError, match="still exists") as refused:
        provider.delete("r", props)
    assert f"aws eks delete-cluster --name {CLUSTER} --region {REGION}" in refused.value.remedy
    assert volume in network.left()
    network.eks.delete_cluster(name=CLUSTER)
    provider.delete("r", props)
    assert volume not in network.left()


def test_another_account_is_refused(network, props):
    volume = network.volume(OURS)
    with pytest.raises(PlatformError, match="deleted"):
        provider.delete("r", {**props, "account": "210987654321"})
    assert volume in network.left()


def test_only_another_cluster_or_network_is_a_replacement(props):
    assert provider.diff("r", props, props).changes is False
    assert provider.diff("r", props, {**props, "network": "vpc-2"}).replaces == ["network"]
    renamed = provider.diff("r", props, {**props, "environment": "flights.stage"})
    assert (renamed.changes, renamed.replaces) == (True, [])
