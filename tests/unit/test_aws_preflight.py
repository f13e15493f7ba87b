"""Preflight checks of an account that can't be had: full, closed, throttled, with somebody else's things in it."""

from collections import Counter

import pytest
from tests.unit.aws_double import ACCOUNT, REGION, account, refusal

from seedbed.environments.aws import preflight, quotas
from seedbed.environments.aws.declared import Declared
from seedbed.environments.aws.errors import CredentialsExpiredError
from seedbed.environments.aws.scope import Scope

OURS = [{"Key": "seedbed:environment", "Value": "flights.prod"}]
THEIRS = [{"Key": "seedbed:environment", "Value": "flights.prod-eu"}]
ENABLED = {"Regions": [{"RegionName": REGION, "OptInStatus": "opt-in-not-required"}]}
ALLOWED = {"EvaluationResults": [{"EvalDecision": "allowed"}]}
BUCKET = Declared("aws:s3/bucket:Bucket", "data", {"bucket": "flights-prod-data"})
CLUSTER = Declared(
    "aws:eks/cluster:Cluster", "cluster",
    {"name": "flights-prod", "version": "1.36", "vpcConfig": {"endpointPublicAccess": True}},
)  # fmt: skip
PROVIDER = Declared(
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider", "github",
    {"url": "https://token.actions.githubusercontent.com"},
)  # fmt: skip
HOST = "token.actions.githubusercontent.com"
ARN = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{HOST}"
GOOD = {
    "ec2__describe_regions": ENABLED,
    "iam__simulate_principal_policy": ALLOWED,
    "iam__list_open_id_connect_providers": {"OpenIDConnectProviderList": []},
    "iam__get_role": refusal("NoSuchEntity"),
    "s3__head_bucket": refusal("404"),
    "eks__describe_cluster": refusal("ResourceNotFoundException"),
    "eks__describe_cluster_versions": {"clusterVersions": [{"clusterVersion": "1.36", "versionStatus": "STANDARD_SUPPORT"}]},
    "service_quotas__get_service_quota": {"Quota": {"Value": 100.0}},
}  # fmt: skip


@pytest.fixture(autouse=True)
def cli(monkeypatch):
    monkeypatch.setattr(preflight.shutil, "which", lambda name: f"/usr/bin/{name}")


def look(*declared, recorded=(), leaving=(), identity_provider="", cpus=0, caller=None, **answers):
    made = account(**({"caller": caller} if caller else {}), **{**GOOD, **answers})
    scope = Scope(made, "flights.prod", "flights-prod", "flights-prod")
    plan = preflight.Plan(scope, list(declared), Counter(recorded), leaving, identity_provider, cpus)
    return [(finding.level, finding.what) for finding in preflight.look(plan)]


def only(found):
    ((level, what),) = found
    return level, what


def test_nothing_to_say_of_a_good_account():
    assert look(BUCKET, CLUSTER, PROVIDER, cpus=8) == []


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ({"Regions": [{"OptInStatus": "not-opted-in"}]}, "is not enabled for account"),
        ({"Regions": []}, f"AWS has no region {REGION}"),
        (refusal("InvalidParameterValue"), f"AWS has no region {REGION}"),
    ],
)
def test_a_region_that_is_not_to_be_had(answer, what):
    (found,) = preflight.region(account(**{**GOOD, "ec2__describe_regions": answer}))
    assert found.level == "error"
    assert what in found.what


def test_what_may_not_be_looked_at_is_said_and_stops_nothing():
    denied = refusal("AccessDenied")
    found = look(
        BUCKET, CLUSTER, iam__simulate_principal_policy=denied, service_quotas__get_service_quota=denied,
        eks__describe_cluster_versions=denied,
    )  # fmt: skip
    assert {level for level, _ in found} == {"warning"}
    assert [what for _, what in found if "your rights" in what]
    assert [what for _, what in found if "the quota of buckets" in what]
    assert all(what.startswith("Not checked, ") for _, what in found)


def test_throttling_and_other_refusals_are_no_verdict():
    found = look(BUCKET, s3__head_bucket=refusal("SlowDown"), iam__simulate_principal_policy=refusal("ServiceFailure"))
    assert [level for level, _ in found] == ["warning", "warning"]
    assert any("fewer requests" in what for _, what in found)


def test_credentials_that_expire_meanwhile_end_it():
    with pytest.raises(CredentialsExpiredError):
        look(BUCKET, s3__head_bucket=refusal("ExpiredToken"))


def test_denied_actions_are_named_and_the_question_is_exact():
    asked = []

    def simulate(**arguments):
        asked.append(arguments)
        decision = "implicitDeny" if arguments["ActionNames"] == ["s3:CreateBucket"] else "allowed"
        return {"EvaluationResults": [{"EvalDecision": decision, "MissingContextValues": []}]}

    level, what = only(look(BUCKET, CLUSTER, iam__simulate_principal_policy=simulate))
    assert level == "error"
    assert what == "user/ada may not do what the environment needs: s3:CreateBucket"
    by_action = {arguments["ActionNames"][0]: arguments for arguments in asked}
    assert by_action["s3:CreateBucket"]["ResourceArns"] == ["arn:aws:s3:::flights-prod-data"]
    assert by_action["eks:CreateCluster"]["ResourceArns"] == [f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/flights-prod"]
    tags = {c["ContextKeyName"]: c["ContextKeyValues"] for c in by_action["s3:CreateBucket"]["ContextEntries"]}
    assert tags["aws:RequestTag/seedbed:environment"] == ["flights.prod"]


def test_a_denial_that_hangs_on_unknown_conditions_is_a_warning():
    unsure = {
        "EvaluationResults": [{"EvalDecision": "implicitDeny", "MissingContextValues": ["aws:MultiFactorAuthPresent"]}]
    }
    level, what = only(look(BUCKET, iam__simulate_principal_policy=unsure))
    assert level == "warning"
    assert "depends on conditions" in what


def test_a_session_is_asked_about_as_its_role():
    asked = []

    def simulate(**arguments):
        asked.append(arguments["PolicySourceArn"])
        return ALLOWED

    role = f"arn:aws:iam::{ACCOUNT}:role/team/admin"
    assert look(
        BUCKET, caller=f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/ada", iam__get_role={"Role": {"Arn": role}},
        iam__simulate_principal_policy=simulate,
    ) == []  # fmt: skip
    assert asked == [role]


def test_the_root_user_is_not_simulated():
    found = look(BUCKET, caller=f"arn:aws:iam::{ACCOUNT}:root", iam__simulate_principal_policy=refusal("InvalidInput"))
    assert found == []


def test_one_identity_provider_for_each_host():
    there = {"OpenIDConnectProviderList": [{"Arn": ARN}]}
    tags = "iam__list_open_id_connect_provider_tags"
    level, what = only(look(PROVIDER, iam__list_open_id_connect_providers=there, **{tags: {"Tags": THEIRS}}))
    assert (level, "already" in what) == ("error", True)
    assert look(PROVIDER, iam__list_open_id_connect_providers=there, **{tags: {"Tags": OURS}}) == []
    assert look(BUCKET, identity_provider=HOST, iam__list_open_id_connect_providers=there) == []
    level, what = only(look(BUCKET, identity_provider=HOST))
    assert (level, what) == ("error", f"The account has no identity provider for {HOST}")


@pytest.mark.parametrize(
    ("head", "tags", "said"),
    [
        (refusal("403"), {}, "somebody else's"),
        (refusal("301"), {}, "somebody else's"),
        ({}, refusal("NoSuchTagSet"), "did not make"),
        ({}, {"TagSet": THEIRS}, "did not make"),
        ({}, {"TagSet": OURS}, None),
    ],
)
def test_buckets_of_others(head, tags, said):
    found = look(BUCKET, s3__head_bucket=head, s3__get_bucket_tagging=tags)
    assert found == [] if said is None else said in only(found)[1]


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        ({"status": "ACTIVE", "tags": {}}, "did not make"),
        ({"status": "DELETING", "tags": {"seedbed:environment": "flights.prod"}}, "still being deleted"),
        ({"status": "ACTIVE", "tags": {"seedbed:environment": "flights.prod"}}, None),
    ],
)
def test_a_cluster_of_that_name(cluster, said):
    found = look(CLUSTER, eks__describe_cluster={"cluster": cluster})
    assert found == [] if said is None else said in only(found)[1]


def test_versions_of_kubernetes():
    offered = [
        {"clusterVersion": "1.35", "versionStatus": "STANDARD_SUPPORT"},
        {"clusterVersion": "1.36", "versionStatus": "EXTENDED_SUPPORT"},
        {"clusterVersion": "1.9", "versionStatus": "UNSUPPORTED"},
    ]
    level, what = only(look(CLUSTER, eks__describe_cluster_versions={"clusterVersions": offered}))
    assert (level, "six times" in what) == ("warning", True)
    level, what = only(look(CLUSTER, eks__describe_cluster_versions={"clusterVersions": offered[:1]}))
    assert (level, what) == ("error", f"EKS has no Kubernetes 1.36 in {REGION}")


def test_the_cluster_needs_the_cli(monkeypatch):
    monkeypatch.setattr(preflight.shutil, "which", lambda _: None)
    assert "AWS CLI is not on PATH" in only(look(CLUSTER))[1]
    assert look(BUCKET) == []


def test_a_new_cluster_is_not_closed_before_anybody_can_be_in_its_network():
    private = Declared(CLUSTER.type, "cluster", {**CLUSTER.inputs, "vpcConfig": {"endpointPublicAccess": False}})
    level, what = only(look(private))
    assert (level, "private_endpoint" in what) == ("error", True)
    assert look(private, recorded=[CLUSTER.type]) == []


@pytest.mark.parametrize(
    ("type_", "name", "answer", "said"),
    [
        (BUCKET.type, "b", {"s3__list_object_versions": {"Versions": [{}]}}, "Bucket b isn't part"),
        (BUCKET.type, "b", {"s3__list_object_versions": {"DeleteMarkers": [{}]}}, "Bucket b isn't part"),
        (BUCKET.type, "b", {"s3__list_object_versions": {}}, None),
        (BUCKET.type, "b", {"s3__list_object_versions": refusal("NoSuchBucket")}, None),
        ("aws:ecr/repository:Repository", "r", {"ecr__list_images": {"imageIds": [{}]}}, "Repository r isn't part"),
        ("aws:ecr/repository:Repository", "r", {"ecr__list_images": refusal("RepositoryNotFoundException")}, None),
    ],
)
def test_what_holds_something_doesnt_go_by_the_way(type_, name, answer, said):
    found = look(leaving=[(type_, name)], **answer)
    assert found == [] if said is None else said in only(found)[1]


def test_what_is_declared_no_more():
    repository = Declared("aws:ecr/repository:Repository", "serving", {"name": "flights/serving"})
    state = [
        {"type": type_, "id": id_}
        for type_, id_ in (
            (BUCKET.type, "flights-prod-data"), (BUCKET.type, "flights-prod-artifacts"),
            (repository.type, "flights/serving"), (repository.type, "flights/pipeline"), ("aws:iam/role:Role", "x"),
        )
    ]  # fmt: skip
    assert preflight.leaving(state, [BUCKET, repository]) == (
        (BUCKET.type, "flights-prod-artifacts"), (repository.type, "flights/pipeline"),
    )  # fmt: skip


EIP = Declared("aws:ec2/eip:Eip", "nat", {})
# The third zone is full and none of ours goes there.
PUBLIC = [Declared("aws:ec2/subnet:Subnet", f"public-{zone}", {"availabilityZoneId": f"az{zone}"}) for zone in (1, 2)]
NAT = Declared("aws:ec2/natGateway:NatGateway", "nat", {"subnetId": "public-2-id"})
VPC = Declared("aws:ec2/vpc:Vpc", "network", {})


def limits(**by_code):
    def answer(**asked):
        return {"Quota": {"Value": by_code.get(asked["QuotaCode"].replace("-", "_"), 100.0)}}

    return answer


def test_full_quotas_name_what_is_there_and_what_is_needed():
    zones = {"Subnets": [{"SubnetId": f"s{zone}", "AvailabilityZoneId": f"az{zone}"} for zone in (1, 2, 3)]}
    gateways = [{"SubnetId": "s1"}] * 4 + [{"SubnetId": "s2"}] * 5 + [{"SubnetId": "s3"}] * 7
    machine = {"InstanceType": "m5.large", "CpuOptions": {"CoreCount": 1, "ThreadsPerCore": 2}}
    spot, other = {**machine, "InstanceLifecycle": "spot"}, {**machine, "InstanceType": "inf2.xlarge"}
    found = {
        what.split(" may have ")[1].split(" in ")[0]: what for _, what in look(
            VPC, EIP, EIP, EIP, *PUBLIC, NAT, cpus=6,
            service_quotas__get_service_quota=limits(
                L_F678F1CE=5.0, L_0263D0A3=5.0, L_FE5A380F=5.0, L_1216C47A=8.0
            ),
            ec2__describe_vpcs={"Vpcs": [{}] * 5}, ec2__describe_addresses={"Addresses": [{}] * 3},
            ec2__describe_subnets=zones, ec2__describe_nat_gateways={"NatGateways": gateways},
            ec2__describe_instances={"Reservations": [{"Instances": [machine, machine, spot, other]}]},
        )
    }  # fmt: skip
    assert found["5 VPCs"].endswith("has 5, and the environment needs 1 more")
    assert found["5 elastic IPs"].endswith("has 3, and the environment needs 3 more")
    assert found["5 NAT gateways"].endswith("has 5, and the environment needs 1 more")
    assert found["8 virtual CPUs of on-demand instances"].endswith("has 4, and the environment needs 6 more")


def test_what_is_up_already_needs_nothing_more():
    full = {"service_quotas__get_service_quota": limits(L_F678F1CE=1.0), "ec2__describe_vpcs": {"Vpcs": [{}]}}
    assert look(VPC, recorded=["aws:ec2/vpc:Vpc"], **full) == []
    assert len(look(VPC, **full)) == 1


def test_an_accounts_own_limit_comes_before_the_default_and_none_is_said():
    absent = refusal("NoSuchResourceException")
    default = {"service_quotas__get_aws_default_service_quota": {"Quota": {"Value": 5.0}}}
    full = {"ec2__describe_vpcs": {"Vpcs": [{}] * 5}, "service_quotas__get_service_quota": absent}
    assert only(look(VPC, **default, **full))[0] == "error"
    level, what = only(look(VPC, service_quotas__get_aws_default_service_quota=absent, **full))
    assert level == "warning"
    assert what.startswith("Not checked, the quota of VPCs")


def test_every_quota_is_named_once():
    assert len({(quota.service, quota.code) for quota in quotas.QUOTAS}) == len(quotas.QUOTAS)
