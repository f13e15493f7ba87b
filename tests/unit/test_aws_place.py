"""An environment on AWS as the verbs see it, on moto."""

import base64
import json
from urllib.parse import parse_qs, urlsplit

import boto3
import moto
import pytest
from tests.unit.aws_double import ACCOUNT, REGION, refusal
from tests.unit.aws_double import account as account_that_answers

from seedbed import spec as specs
from seedbed.environments.aws import account, declared, eks, preflight
from seedbed.environments.aws.declared import Declared
from seedbed.environments.aws.errors import CredentialsMissingError, NotAllowedError, WrongAccountError
from seedbed.environments.aws.place import OnAws
from seedbed.environments.cluster.errors import UnreachableError
from seedbed.environments.places import place_of
from seedbed.environments.project import Project
from seedbed.errors import ConflictError, InfrastructureError

BUCKET = "flights-prod-data"
PROVIDER = {
    "type": "pulumi:providers:aws", "urn": "urn:pulumi:prod::x::pulumi:providers:aws::aws",
    "inputs": {"region": REGION, "allowedAccountIds": f'["{ACCOUNT}"]'},
}  # fmt: skip


@pytest.fixture
def aws(monkeypatch):
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(declared, "ask", lambda *_: [Declared("aws:s3/bucket:Bucket", "data", {"bucket": BUCKET})])
    # moto has no simulator of rights, and no quotas.
    monkeypatch.setattr(preflight.rights, "check", lambda *_: iter(()))
    monkeypatch.setattr(preflight.quotas, "QUOTAS", ())
    with moto.mock_aws():
        yield


@pytest.fixture
def place(tmp_path):
    def make(recorded=(), **environment):
        raw = {
            "project": {"name": "Flights"}, "data": {"source": "x", "target": "y", "features": {"x": "number"}},
            "environments": {"prod": {
                "target": "aws", "account": ACCOUNT, "region": REGION, "variant": "storage", **environment,
            }},
        }  # fmt: skip
        found = place_of(Project(tmp_path, specs.parse(raw)), "prod", list(recorded))
        assert isinstance(found, OnAws)
        return found

    return make


def bucket(name, environment=None):
    s3 = boto3.client("s3", region_name=REGION)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    if environment:
        tags = [{"Key": "seedbed:environment", "Value": environment}]
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})


def recorded(type_, id_):
    return {"type": type_, "id": id_, "urn": f"urn:pulumi:prod::x::{type_}::{id_}", "custom": True}


def test_a_fresh_account_is_fit(aws, place):
    said = []
    assert place().prepare(said.append, skip_checks=False) == []
    assert said == [f"Checking account {ACCOUNT}, {REGION}"]


def test_what_stands_in_the_way_comes_at_once_and_can_be_skipped(aws, place):
    bucket(BUCKET)
    with pytest.raises(InfrastructureError) as raised:
        place().prepare(print, skip_checks=False)
    assert f"Account {ACCOUNT} can't take environment 'prod'; nothing was changed" in raised.value.message
    assert [finding["level"] for finding in raised.value.details["findings"]] == ["error"]
    (note,) = place().prepare(print, skip_checks=True)
    assert BUCKET in note


def test_another_account_is_never_touched(aws, place):
    for call in (lambda p: p.reach(), lambda p: p.leftovers(), lambda p: p.prepare(print, skip_checks=True)):
        with pytest.raises(WrongAccountError) as raised:
            call(place(account="999999999999"))
        assert ACCOUNT in raised.value.message
        assert "999999999999" in raised.value.message
        assert raised.value.exit_code == 5


def test_without_credentials_nothing_is_known(place, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for call in (lambda p: p.reach(), lambda p: p.leftovers(), lambda p: p.look()):
        with pytest.raises(CredentialsMissingError):
            call(place())


def test_the_spec_names_another_region_than_that_of_what_is_up(aws, place):
    bucket(BUCKET, "flights.prod")
    moved = place([PROVIDER], region="eu-central-1")
    for skip in (False, True):
        with pytest.raises(InfrastructureError, match="Set them back") as raised:
            moved.prepare(print, skip_checks=skip)
        assert "--skip-checks" not in raised.value.hint
    boto3.client("logs", region_name=REGION).create_log_group(
        logGroupName="/aws/vpc/flights-prod-flow-logs", tags={"seedbed:environment": "flights.prod"}
    )
    found = OnAws(moved.project, "prod", moved.recorded, settling_seconds=0).leftovers()
    assert "log group /aws/vpc/flights-prod-flow-logs" in found.leftovers, "it is looked for where it was made"


def test_a_region_that_aws_has_not_is_all_that_is_said(aws, place, monkeypatch):
    with pytest.raises(InfrastructureError, match="AWS has no region eu-wset-1"):
        place(region="eu-wset-1", variant="platform").prepare(print, skip_checks=True)


def test_without_a_cluster_nobody_needs_the_right_to_look_at_any(place, monkeypatch):
    denied = account_that_answers(eks__describe_cluster=refusal("AccessDeniedException"))
    monkeypatch.setattr(account, "connect", lambda *_: denied)
    monkeypatch.setattr(preflight, "look", lambda _: [])
    monkeypatch.setattr(preflight, "region", lambda _: [])
    monkeypatch.setattr(declared, "ask", lambda *_: [])
    assert place(variant="lite").prepare(print, skip_checks=False) == []
    with pytest.raises(NotAllowedError):
        place(variant="platform").prepare(print, skip_checks=False)


def test_status_compares_the_record_with_the_account(aws, place):
    bucket(BUCKET, "flights.prod")
    boto3.client("ecr", region_name=REGION).create_repository(repositoryName="flights-prod/service")
    state = [
        recorded("aws:s3/bucket:Bucket", BUCKET), recorded("aws:s3/bucket:Bucket", "flights-prod-gone"),
        recorded("aws:ecr/repository:Repository", "flights-prod/service"), recorded("aws:iam/role:Role", "x"),
        recorded("aws:ecr/repository:Repository", "flights-prod/gone"),
    ]  # fmt: skip
    found = place(state).look()
    assert not found.healthy
    assert [(w["kind"], w["name"], w["healthy"], w["reason"]) for w in found.workloads] == [
        ("Bucket", BUCKET, True, ""),
        ("Bucket", "flights-prod-gone", False, "is gone"),
        ("Repository", "flights-prod/service", True, ""),
        ("Repository", "flights-prod/gone", False, "is gone"),
    ]
    assert {w["namespace"] for w in found.workloads} == {REGION}
    assert place(state[:1]).look().healthy


def test_an_identity_provider_that_others_use_stays(aws, place):
    iam = boto3.client("iam", region_name=REGION)
    arn = iam.create_open_id_connect_provider(
        Url="https://token.actions.githubusercontent.com", ThumbprintList=["0" * 40],
        Tags=[{"Key": "seedbed:environment", "Value": "flights.prod"}, {"Key": "seedbed:component", "Value": "ci"}],
    )["OpenIDConnectProviderArn"]  # fmt: skip

    def role(name, principal):
        statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRoleWithWebIdentity"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)

    role("flights-prod-ci", {"Federated": arn})
    role("unrelated", {"Service": "ec2.amazonaws.com"})
    provider = recorded("aws:iam/openIdConnectProvider:OpenIdConnectProvider", arn)
    state = [provider, recorded("aws:iam/role:Role", "flights-prod-ci")]

    def tags():
        found = iam.list_open_id_connect_provider_tags(OpenIDConnectProviderArn=arn)["Tags"]
        return {tag["Key"] for tag in found}

    assert place(state).hand_over() == {}, "its own roles are no reason"
    assert tags() == {"seedbed:environment", "seedbed:component"}
    role("shop-eu-ci", {"Federated": [arn]})
    handed = place(state).hand_over()
    assert handed == {
        provider[
            "urn"
        ]: "The identity provider token.actions.githubusercontent.com stays, for shop-eu-ci of the account use it too"
    }
    assert tags() == {"seedbed:component"}, "the inventory afterwards doesn't take it for a leftover"
    assert place(state).hand_over() == handed, "again, as after a run that was killed in between"
    assert place([]).hand_over() == {}


def cluster(**more):
    ec2 = boto3.client("ec2", region_name=REGION)
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    boto3.client("eks", region_name=REGION).create_cluster(
        name="flights-prod", roleArn=f"arn:aws:iam::{ACCOUNT}:role/x", resourcesVpcConfig={"subnetIds": [subnet]}, **more
    )  # fmt: skip


def test_a_cluster_is_only_gone_when_eks_says_so(aws, place):
    assert "AWS has no EKS cluster flights-prod" in place().on_cluster().require_gone()
    with pytest.raises(UnreachableError, match="does not exist"):
        place().on_cluster().reach()
    cluster()
    with pytest.raises(ConflictError, match="so it is not gone"):
        place().on_cluster().require_gone()


def test_a_token_is_a_signed_request_that_names_the_cluster(aws):
    made = eks.token(account.connect(ACCOUNT, REGION), "flights-prod")
    prefix, _, encoded = made.partition(".")
    url = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    asked = parse_qs(urlsplit(url).query)
    assert prefix == "k8s-aws-v1"
    assert urlsplit(url).hostname == f"sts.{REGION}.amazonaws.com"
    assert asked["Action"] == ["GetCallerIdentity"]
    assert asked["X-Amz-Expires"] == ["60"]
    assert asked["X-Amz-SignedHeaders"] == ["host;x-k8s-aws-id"]
    assert asked["X-Amz-Credential"][0].endswith(f"/{REGION}/sts/aws4_request")
    assert "flights-prod" not in url, "it is in the signature, as a header"


def test_a_protected_cluster_is_freed_before_the_engine_deletes_it():
    states = iter([{"update": {"status": "InProgress"}}, {"update": {"status": "Successful"}}])
    given = account_that_answers(
        eks__describe_cluster={"cluster": {"name": "c", "status": "ACTIVE", "deletionProtection": True}},
        eks__update_cluster_config={"update": {"id": "u"}},
        eks__describe_update=lambda **_: next(states),
    )
    eks.unprotect(given, "c")
    asked = [call for call in given.client.asked if call[0] != "eks.describe_cluster"]
    assert asked == [
        ("eks.update_cluster_config", {"name": "c", "deletionProtection": False}),
        *[("eks.describe_update", {"name": "c", "updateId": "u"})] * 2,
    ]


def test_one_that_is_not_protected_is_left_as_it_is():
    given = account_that_answers(eks__describe_cluster={"cluster": {"name": "c", "status": "ACTIVE"}})
    eks.unprotect(given, "c")
    assert [name for name, _ in given.client.asked] == ["eks.describe_cluster"]
