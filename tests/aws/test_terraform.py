"""The way from Pulumi's resources to Terraform's, on a schema as small as a test."""

import json

import pulumi
import pulumi_aws as aws
import pytest
from tests.aws import terraform
from tests.aws.schema import Schema, UnknownError

# Pulumi's provider has defaults of its own for these.
_CHECKS = dict.fromkeys(("skip_credentials_validation", "skip_metadata_api_check", "skip_region_validation"), "bool")
SCHEMA = Schema(
    {
        "provider": {
            "attributes": {"region": "string", "allowed_account_ids": ["set", "string"], **_CHECKS},
            "blocks": {"default_tags": {"attributes": {"tags": ["map", "string"]}, "blocks": {}}},
        },
        "resources": {
            "aws_vpc": {"attributes": {"id": "string", "arn": "string", "cidr_block": "string"}, "blocks": {}},
            "aws_subnet": {
                "attributes": {"id": "string", "vpc_id": "string", "cidr_block": "string", "tags": ["map", "string"]},
                "blocks": {},
            },
            "aws_iam_openid_connect_provider": {
                "attributes": {"arn": "string", "url": "string", "client_id_list": ["set", "string"]}, "blocks": {},
            },
            "aws_iam_policy": {"attributes": {"arn": "string", "name": "string", "policy": "string"}, "blocks": {}},
            "aws_eks_cluster": {
                "attributes": {"id": "string", "name": "string", "role_arn": "string", "endpoint": "string"},
                "blocks": {
                    "vpc_config": {
                        "attributes": {"subnet_ids": ["set", "string"], "cluster_security_group_id": "string"},
                        "blocks": {},
                    },
                },
            },
            "aws_s3_bucket_lifecycle_configuration": {
                "attributes": {"bucket": "string"},
                "blocks": {
                    "rule": {
                        "attributes": {"id": "string", "status": "string"},
                        "blocks": {"expiration": {"attributes": {"days": "number"}, "blocks": {}}},
                    }
                },
            },
        },
    }
)  # fmt: skip


@pytest.fixture
def converted(record):
    """Terraform's JSON of what a function declares, which is handed the options of its resources."""

    def convert(declare):
        def program():
            tags = {"tags": {"owner": "the ${team}"}}
            provider = aws.Provider("aws", region="eu-west-1", allowed_account_ids=["123456789012"], default_tags=tags)
            declare(lambda **more: pulumi.ResourceOptions(provider=provider, **more))

        return terraform.configuration(
            SCHEMA, record(program, outputs=terraform.references(SCHEMA, "eu-west-1")).resources
        )

    return convert


def test_a_value_of_another_resource_stays_a_reference_to_it(converted):
    def declare(options):
        vpc = aws.ec2.Vpc("network", cidr_block="10.0.0.0/16", opts=options())
        aws.ec2.Subnet("a", vpc_id=vpc.id, cidr_block="10.0.1.0/24", opts=options())

    assert converted(declare).json["resource"] == {
        "aws_vpc": {"network": {"cidr_block": "10.0.0.0/16"}},
        "aws_subnet": {
            "a": {
                "vpc_id": "${aws_vpc.network.id}",
                "cidr_block": "10.0.1.0/24",
                "depends_on": ["aws_vpc.network"],
            }
        },
    }


def test_a_reference_inside_a_text_is_one_and_what_only_looks_like_one_is_not(converted):
    def declare(options):
        vpc = aws.ec2.Vpc("network", cidr_block="10.0.0.0/16", opts=options())
        text = vpc.arn.apply(lambda arn: json.dumps([arn, "${aws:PrincipalTag/team}", "%{if}"]))
        aws.iam.Policy("one", policy=text, opts=options())

    policy = converted(declare).json["resource"]["aws_iam_policy"]["one"]["policy"]
    assert json.loads(policy) == ["${aws_vpc.network.arn}", "$${aws:PrincipalTag/team}", "%%{if}"]


def test_the_program_may_read_the_parts_of_an_arn(converted):
    def declare(options):
        vpc = aws.ec2.Vpc("network", opts=options())
        region = vpc.arn.apply(lambda arn: arn.split(":")[3])
        aws.ec2.Subnet("a", vpc_id=vpc.arn, cidr_block=region, opts=options())

    subnet = converted(declare).json["resource"]["aws_subnet"]["a"]
    assert (subnet["vpc_id"], subnet["cidr_block"]) == ("${aws_vpc.network.arn}", "eu-west-1")


def test_a_name_that_is_handed_on_is_its_first_owners(converted):
    def declare(options):
        first = aws.iam.Policy("first", name="one", policy="{}", opts=options())
        second = aws.iam.Policy("second", name=first.name, policy="{}", opts=options())
        aws.iam.Policy("third", name=second.name, policy="{}", opts=options())

    third = converted(declare).json["resource"]["aws_iam_policy"]["third"]
    assert third["name"] == "${aws_iam_policy.first.name}"
    assert third["depends_on"] == ["aws_iam_policy.second"]


def test_names_that_pulumi_made_plural_or_spells_otherwise_are_found(converted):
    def declare(options):
        aws.iam.OpenIdConnectProvider("ci", url="https://x.test", client_id_lists=["a"], opts=options())
        rule = {"id": "old", "status": "Enabled", "expiration": {"days": 3}}
        aws.s3.BucketLifecycleConfiguration("data", bucket="data", rules=[rule], opts=options())

    assert converted(declare).json["resource"] == {
        "aws_iam_openid_connect_provider": {"ci": {"url": "https://x.test", "client_id_list": ["a"]}},
        "aws_s3_bucket_lifecycle_configuration": {
            "data": {"bucket": "data", "rule": [{"id": "old", "status": "Enabled", "expiration": [{"days": 3}]}]}
        },
    }


def test_what_the_provider_adds_to_a_block_can_be_referred_to(converted):
    def declare(options):
        cluster = aws.eks.Cluster("one", role_arn="arn:x", vpc_config={"subnet_ids": ["subnet-1"]}, opts=options())
        group = cluster.vpc_config.apply(lambda found: found.cluster_security_group_id)
        aws.iam.Policy("one", policy=group, opts=options())

    found = converted(declare).json["resource"]
    assert found["aws_eks_cluster"]["one"]["vpc_config"] == [{"subnet_ids": ["subnet-1"]}]
    assert found["aws_iam_policy"]["one"]["policy"] == "${aws_eks_cluster.one.vpc_config[0].cluster_security_group_id}"


def test_keys_of_maps_are_the_programs_own(converted):
    def declare(options):
        aws.ec2.Subnet("a", vpc_id="vpc-1", tags={"seedbed:costCentre": "a"}, opts=options())

    assert converted(declare).json["resource"]["aws_subnet"]["a"]["tags"] == {"seedbed:costCentre": "a"}


def test_the_provider_is_connected_as_the_program_says(converted):
    connection = converted(lambda _options: None).json["provider"]["aws"]
    assert {key: value for key, value in connection.items() if key not in _CHECKS} == {
        "region": "eu-west-1",
        "allowed_account_ids": ["123456789012"],
        "default_tags": [{"tags": {"owner": "the $${team}"}}],
    }


def test_order_goes_through_what_is_left_out(converted):
    class Other(pulumi.CustomResource):
        def __init__(self, name, opts):
            super().__init__("kubernetes:core/v1:ConfigMap", name, {}, opts)

    def declare(options):
        vpc = aws.ec2.Vpc("network", opts=options())
        between = Other("between", pulumi.ResourceOptions(depends_on=[vpc]))
        aws.ec2.Subnet("a", vpc_id="vpc-1", opts=options(depends_on=[between]))

    found = converted(declare)
    assert found.left_out == (("kubernetes:core/v1:ConfigMap", "between"),)
    assert found.json["resource"]["aws_subnet"]["a"]["depends_on"] == ["aws_vpc.network"]
    assert found.addresses == {"aws_vpc.network", "aws_subnet.a"}


def test_what_the_provider_does_not_know_is_an_error(converted):
    with pytest.raises(UnknownError, match=r"aws:sqs/queue:Queue"):
        converted(lambda options: aws.sqs.Queue("jobs", opts=options()))
    with pytest.raises(UnknownError, match="random:index/x:X: neither of AWS"):
        converted(lambda _options: pulumi.CustomResource("random:index/x:X", "one", {}))
    with pytest.raises(UnknownError, match="instanceTenancy is none of arn, cidr_block"):
        converted(lambda options: aws.ec2.Vpc("network", instance_tenancy="dedicated", opts=options()))


def test_two_of_a_name_are_an_error_since_a_reference_could_be_to_either(converted):
    def declare(options):
        for parent in ("One", "Two"):
            component = pulumi.ComponentResource(f"test:index:{parent}", parent)
            aws.ec2.Vpc("network", opts=options(parent=component))

    with pytest.raises(UnknownError, match="two resources of the kind aws_vpc are called network"):
        converted(declare)
