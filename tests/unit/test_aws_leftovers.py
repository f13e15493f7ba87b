"""What is left on AWS, on moto: everything of ours is found, and nothing of anybody else's (P5, P8)."""

import json
import sys
from datetime import UTC, datetime, timedelta

import boto3
import moto
import pytest
from tests.conftest import ROOT
from tests.unit.aws_double import ACCOUNT, REGION, refusal
from tests.unit.aws_double import account as double

from seedbed.environments.aws import account, kinds, leftovers
from seedbed.environments.aws.errors import CredentialsExpiredError
from seedbed.environments.aws.scope import CLUSTER_TAG, CLUSTER_TAGS, Scope

TAG = "seedbed:environment"
SLUG, NAME = "flights", "prod"
OURS, THEIRS = f"{SLUG}.{NAME}", f"{SLUG}.{NAME}-eu"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
RIGHTS = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}})


@pytest.fixture
def aws(monkeypatch):
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    with moto.mock_aws():
        yield


def client(service, region=REGION):
    return boto3.client(service, region_name=region)


def pairs(value, key="Key", val="Value"):
    return [{key: TAG, val: value}]


def ec2_tags(kind, value):
    return [{"ResourceType": kind, "Tags": pairs(value)}]


def make(name, value):
    """One of each kind that moto can hold, of an environment; gives what the inventory must call them."""
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=ec2_tags("vpc", value))["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(
        VpcId=vpc, CidrBlock="10.0.0.0/24", TagSpecifications=ec2_tags("subnet", value)
    )["Subnet"]["SubnetId"]  # fmt: skip
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=ec2_tags("elastic-ip", value))["AllocationId"]
    nat = ec2.create_nat_gateway(
        SubnetId=subnet, AllocationId=address, TagSpecifications=ec2_tags("natgateway", value)
    )["NatGateway"]["NatGatewayId"]  # fmt: skip
    gateway = ec2.create_internet_gateway(TagSpecifications=ec2_tags("internet-gateway", value))
    table = ec2.create_route_table(VpcId=vpc, TagSpecifications=ec2_tags("route-table", value))
    endpoint = ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.s3", TagSpecifications=ec2_tags("vpc-endpoint", value)
    )["VpcEndpoint"]["VpcEndpointId"]  # fmt: skip
    group = ec2.create_security_group(
        GroupName=name, Description="x", VpcId=vpc, TagSpecifications=ec2_tags("security-group", value)
    )["GroupId"]  # fmt: skip
    volume = ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=1, TagSpecifications=ec2_tags("volume", value))
    interface = ec2.create_network_interface(
        SubnetId=subnet, TagSpecifications=ec2_tags("network-interface", value)
    )["NetworkInterface"]["NetworkInterfaceId"]  # fmt: skip
    image = ec2.describe_images()["Images"][0]["ImageId"]
    machine = ec2.run_instances(
        ImageId=image, MinCount=1, MaxCount=1, SubnetId=subnet, TagSpecifications=ec2_tags("instance", value)
    )["Instances"][0]["InstanceId"]  # fmt: skip
    s3, bucket = client("s3"), f"{name}-data-{ACCOUNT}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": pairs(value)})
    client("ecr").create_repository(repositoryName=f"{name}/service", tags=pairs(value))
    iam = client("iam")
    iam.create_role(RoleName=f"{name}-ci", AssumeRolePolicyDocument=RIGHTS, Tags=pairs(value))
    iam.create_policy(PolicyName=f"{name}-apply", PolicyDocument=RIGHTS, Tags=pairs(value))
    kms = client("kms")
    key = kms.create_key(Tags=pairs(value, "TagKey", "TagValue"))["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=key)
    client("logs").create_log_group(logGroupName=f"/aws/vpc/{name}-flow-logs", tags={TAG: value})
    role = f"arn:aws:iam::{ACCOUNT}:role/{name}-ci"
    client("eks").create_cluster(
        name=name, roleArn=role, resourcesVpcConfig={"subnetIds": [subnet]}, tags={TAG: value}
    )  # fmt: skip
    balancer = client("elbv2").create_load_balancer(
        Name=name, Subnets=[subnet, other_zone(ec2, vpc)], Tags=pairs(value)
    )["LoadBalancers"][0]["LoadBalancerArn"]  # fmt: skip
    return {
        f"VPC {vpc}", f"subnet {subnet}", f"elastic IP {address}", f"NAT gateway {nat}",
        f"internet gateway {gateway['InternetGateway']['InternetGatewayId']}",
        f"route table {table['RouteTable']['RouteTableId']}", f"VPC endpoint {endpoint}", f"security group {group}",
        f"volume {volume['VolumeId']}", f"network interface {interface}", f"instance {machine}", f"bucket {bucket}",
        f"image repository {name}/service", f"role {name}-ci", f"policy {name}-apply", f"key {key}",
        f"alias of a key alias/{name}", f"log group /aws/vpc/{name}-flow-logs", f"EKS cluster {name}",
        f"load balancer {balancer.rpartition(':')[2]}",
    }  # fmt: skip


def other_zone(ec2, vpc):
    zone = {"VpcId": vpc, "CidrBlock": "10.0.9.0/24", "AvailabilityZone": f"{REGION}b"}
    return ec2.create_subnet(**zone)["Subnet"]["SubnetId"]


def scope(environment=NAME):
    return leftovers.scope_of(account.connect(ACCOUNT, REGION), SLUG, environment)


def take(environment=NAME):
    return leftovers.settled(scope(environment), 0)


def test_an_empty_account_holds_nothing(aws):
    found = take()
    assert (found.leftovers, found.ending) == ([], [])
    assert found.checked["kinds of AWS resources"] == len(kinds.KINDS)


def test_everything_of_ours_is_found_and_nothing_of_a_neighbour_with_our_prefix(aws):
    ours = make(f"{SLUG}-{NAME}", OURS)
    theirs = make(f"{SLUG}-{NAME}-eu", THEIRS)
    assert set(take().leftovers) == ours
    assert set(take("prod-eu").leftovers) == theirs
    assert take("pro").leftovers == []


def test_names_like_ours_without_our_tag_are_not_ours(aws):
    s3, iam = client("s3"), client("iam")
    s3.create_bucket(Bucket="flights-prod-data", CreateBucketConfiguration={"LocationConstraint": REGION})
    iam.create_role(RoleName="flights-prod-ci", AssumeRolePolicyDocument=TRUST)
    client("ecr").create_repository(repositoryName="flights-prod/service")
    client("logs").create_log_group(logGroupName="/aws/vpc/flights-prod-flow-logs")
    assert take().leftovers == []


def test_what_the_cluster_made_by_itself_is_found_by_its_own_marks(aws):
    ec2 = client("ec2")
    marks = [
        {"Key": "eks:eks-cluster-name", "Value": "flights-prod"},
        {"Key": "kubernetes.io/cluster/flights-prod", "Value": "owned"},
        {"Key": "kubernetes.io/cluster/flights-prod-eu", "Value": "owned"},
    ]
    volumes = [
        ec2.create_volume(
            AvailabilityZone=f"{REGION}a", Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": [mark]}]
        )["VolumeId"]
        for mark in marks
    ]  # fmt: skip
    assert set(take().leftovers) == {f"volume {volume}" for volume in volumes[:2]}
    # With a cluster of somebody else under that name, they are its own.
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    role = f"arn:aws:iam::{ACCOUNT}:role/x"
    client("eks").create_cluster(
        name="flights-prod", roleArn=role, resourcesVpcConfig={"subnetIds": [other_zone(ec2, vpc)]}
    )  # fmt: skip
    assert take().leftovers == []


def test_a_classic_load_balancer_is_found(aws):
    elb = client("elb")
    for name, value in (("ours", OURS), ("theirs", THEIRS)):
        elb.create_load_balancer(
            LoadBalancerName=name, AvailabilityZones=[f"{REGION}a"], Tags=pairs(value),
            Listeners=[{"Protocol": "TCP", "LoadBalancerPort": 80, "InstancePort": 80}],
        )  # fmt: skip
    assert take().leftovers == ["load balancer ours"]


def test_the_last_words_of_a_dying_cluster_are_a_leftover(aws):
    client("logs").create_log_group(logGroupName="/aws/eks/flights-prod/cluster")
    client("logs").create_log_group(logGroupName="/aws/eks/flights-prod-eu/cluster")
    assert take().leftovers == ["log group /aws/eks/flights-prod/cluster"]


def test_what_has_ended_but_is_still_listed_is_no_leftover(aws):
    ec2, kms = client("ec2"), client("kms")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    machine = ec2.run_instances(
        ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=ec2_tags("instance", OURS)
    )["Instances"][0]["InstanceId"]  # fmt: skip
    assert take().leftovers == [f"instance {machine}"]
    ec2.terminate_instances(InstanceIds=[machine])
    key = kms.create_key(Tags=pairs(OURS, "TagKey", "TagValue"))["KeyMetadata"]["KeyId"]
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    found = take()
    assert found.leftovers == []
    (line,) = found.ending
    day = (datetime.now(UTC) + timedelta(days=7)).strftime("%Y-%m-%d")
    assert line == f"key {key}: goes on {day} and costs nothing until then"


def test_a_kind_that_no_search_covers_is_found_by_its_tag(aws):
    topic = client("sns").create_topic(Name="anything", Tags=pairs(OURS))["TopicArn"]
    client("sns").create_topic(Name="other", Tags=pairs(THEIRS))
    assert take().leftovers == [f"resource {topic}"]


def test_what_holds_the_network_is_named(aws):
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=ec2_tags("vpc", OURS))["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    made = ec2.create_network_interface(SubnetId=subnet, Description="ELB app/somebody/1")
    name = made["NetworkInterface"]["NetworkInterfaceId"]
    assert leftovers.blockers(scope()) == [f"network interface {name} in {vpc}: ELB app/somebody/1"]


EMPTY = {
    "iam__list_open_id_connect_providers": {"OpenIDConnectProviderList": []},
    "s3__list_buckets": {"Buckets": []},
    "eks__describe_cluster": refusal("ResourceNotFoundException"),
}


def doubled(**answers):
    return leftovers.settled(Scope(double(**{**EMPTY, **answers}), OURS, "flights-prod", "flights-prod"), 0)


def test_what_may_not_be_listed_is_not_proven_gone():
    denied = refusal("AccessDenied")
    found = doubled(s3__list_buckets=denied, resourcegroupstaggingapi__get_resources=denied)
    assert [line for line in found.leftovers if line.startswith("buckets: your account may not list them")]
    assert [line for line in found.leftovers if line.startswith("other tagged things: ")]
    assert len(found.leftovers) == 3, "keys are asked for by tag, too"
    assert [line for line in doubled(ec2__describe_vpcs=refusal("Throttling")).leftovers if "fewer requests" in line]


def test_what_was_not_answered_is_asked_again(monkeypatch):
    monkeypatch.setattr(leftovers, "_PAUSE", 0.01)
    for asked in ("ec2__describe_vpcs", "resourcegroupstaggingapi__get_resources"):
        answers = iter([refusal("Throttling")])
        made = double(**EMPTY, **{asked: lambda answers=answers, **_: next(answers, {})})
        assert leftovers.settled(Scope(made, OURS, "flights-prod"), 30).leftovers == []


def test_a_load_balancer_that_went_meanwhile_hides_no_other():
    def tags(**asked):
        arns = asked["ResourceArns"]
        if "gone" in arns:
            return refusal("LoadBalancerNotFound")
        return {"TagDescriptions": [{"ResourceArn": arn, "Tags": pairs(OURS)} for arn in arns]}

    listed = {"LoadBalancers": [{"LoadBalancerArn": arn} for arn in ("gone", "there")]}
    found = doubled(elbv2__describe_load_balancers=listed, elbv2__describe_tags=tags)
    assert found.leftovers == ["load balancer there"]


def test_a_cluster_s_marks_are_the_same_here_and_in_the_program():
    sys.path.insert(0, str(ROOT / "infra"))
    from mlops_platform.resources.aws import orphans

    assert orphans.CLUSTER_TAGS == CLUSTER_TAGS
    assert orphans._OWNED == CLUSTER_TAG


def test_expired_credentials_are_no_proof_of_anything():
    with pytest.raises(CredentialsExpiredError):
        doubled(s3__list_buckets=refusal("ExpiredToken"))


def test_a_list_that_lags_behind_is_asked_again(monkeypatch):
    monkeypatch.setattr(leftovers, "_PAUSE", 0.01)
    answers = iter([{"Vpcs": [{"VpcId": "vpc-1"}]}, {"Vpcs": [{"VpcId": "vpc-1"}]}])
    made = double(**EMPTY, ec2__describe_vpcs=lambda **_: next(answers, {"Vpcs": []}))
    assert leftovers.settled(Scope(made, OURS, "flights-prod"), 30).leftovers == []
