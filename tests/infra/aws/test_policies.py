"""What each identity of an environment can do and what it can't, by the rules that AWS evaluates policies with."""

import pytest
from moto.iam.exceptions import MalformedPolicyDocument
from moto.iam.policy_validation import IAMPolicyDocumentValidator
from tests.infra.aws.iam import Request, allowed
from tests.infra.aws.rights_table import ARTIFACTS, CASES, DATA, KEY, LOGS, OWN_ROLE, STATE_KEY

from mlops_platform.components.aws.account import Account, document
from mlops_platform.components.aws.apply_policies import apply_rights
from mlops_platform.components.aws.policies import (
    Scope,
    ci_rights,
    preview_rights,
    state_alias,
    state_bucket,
    store_rights,
)
from mlops_platform.components.kubernetes.store.consumers import CONSUMERS
from seedbed.environments.aws import state_store

PODS = ("pipelines", "tracking", "service", "monitoring")


@pytest.fixture
def scope(configured):
    def make(**values):
        return Scope(
            account=Account(provider=None, settings=configured(**values)),
            data_bucket=DATA.rpartition(":")[2],
            artifact_bucket=ARTIFACTS.rpartition(":")[2],
            log_bucket=LOGS.rpartition(":")[2],
            key=KEY,
            repositories=("flights/pipeline", "flights/serving"),
            cluster="flights-prod",
            budget="flights-prod",
            program="mlops-platform",
        )

    return make


def policies(scope):
    """The texts of each identity's policies."""
    found = {
        "ci": [document(*ci_rights(scope))],
        "preview": [document(*preview_rights(scope))],
        "apply": [document(*statements) for statements in apply_rights(scope).values()],
    }
    return found | {pod: [document(*store_rights(pod, DATA, ARTIFACTS, KEY))] for pod in PODS}


@pytest.mark.parametrize(
    ("identity", "action", "resource", "context", "expected"), CASES,
    ids=[f"{number}-{case[0]}-{case[1]}" for number, case in enumerate(CASES)],
)  # fmt: skip
def test_what_an_identity_may_do(scope, identity, action, resource, context, expected):
    assert allowed(Request(action, resource, context), *policies(scope())[identity]) is expected


def test_the_table_looks_at_every_identity_from_both_sides():
    assert len(CASES) == len({repr(case[:4]) for case in CASES})
    for identity in ("ci", "preview", "apply", *PODS):
        assert {case[4] for case in CASES if case[0] == identity} == {True, False}


def test_who_applies_reads_no_data_even_where_a_bucket_would_let_everybody(scope):
    caller = {"AWS": OWN_ROLE}
    everybody = {"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": f"{DATA}/*"}}
    for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObjectVersion"):
        request = Request(action, f"{DATA}/a", principal=caller)
        assert not allowed(request, *policies(scope())["apply"], resource_policies=[everybody])


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_nobody_deletes_an_old_version_or_sets_a_bucket_up(consumer):
    policy = document(*store_rights(consumer, DATA, ARTIFACTS, KEY))
    for action, resource in (
        ("s3:DeleteObjectVersion", f"{DATA}/a"),
        ("s3:DeleteObjectVersion", f"{ARTIFACTS}/registry/a"),
        ("s3:PutBucketVersioning", DATA),
        ("s3:DeleteBucket", ARTIFACTS),
    ):
        assert not allowed(Request(action, resource), policy)


@pytest.mark.parametrize(
    ("region", "partition", "service"),
    [("cn-north-1", "aws-cn", "s3.cn-north-1.amazonaws.com.cn"), ("us-gov-west-1", "aws-us-gov",
     "s3.us-gov-west-1.amazonaws.com")],
)  # fmt: skip
def test_other_parts_of_aws(scope, region, partition, service):
    there = scope(region=region)
    statements = [
        s for rights in (ci_rights(there), preview_rights(there), *apply_rights(there).values()) for s in rights
    ]
    arns = [arn for s in statements for arn in ([s["Resource"]] if isinstance(s["Resource"], str) else s["Resource"])]
    assert {arn.split(":")[1] for arn in arns if arn not in {"*", KEY, STATE_KEY}} == {partition}
    key = f"arn:{partition}:kms:{region}:123456789012:key/1"
    bucket = f"arn:{partition}:s3:::flights"
    policy = document(*store_rights("project", bucket, bucket, key))
    context = {"kms:ViaService": service, "kms:EncryptionContext:aws:s3:arn": bucket}
    assert allowed(Request("kms:Decrypt", key, context), policy)


@pytest.mark.parametrize("names", [("flights", "prod"), ("p" * 40, "s" * 20)])
def test_every_policy_fits(scope, names):
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html; blanks don't count."""
    project, stack = names
    longest = scope(project=project, stack=stack)
    longest = Scope(**{**vars(longest), "data_bucket": "d" * 63, "artifact_bucket": "a" * 63, "log_bucket": "l" * 63,
                       "cluster": "c" * 63, "repositories": ("r" * 200, "q" * 200)})  # fmt: skip
    for identity, texts in policies(longest).items():
        sizes = [len("".join(text.split())) for text in texts]
        if identity == "apply":
            assert max(sizes) <= 6144
            assert len(sizes) <= 10
        else:
            assert sum(sizes) <= 10240


def test_every_policy_is_one_by_awss_grammar(scope):
    for texts in policies(scope()).values():
        for text in texts:
            IAMPolicyDocumentValidator(text).validate()
    with pytest.raises(MalformedPolicyDocument):
        IAMPolicyDocumentValidator(text.replace("StringEquals", "StringIs")).validate()


def test_only_what_aws_takes_no_resource_for_is_allowed_on_everything(scope):
    statements = [
        s for texts in (ci_rights(scope()), preview_rights(scope()), *apply_rights(scope()).values()) for s in texts
    ]
    statements += [s for pod in PODS for s in store_rights(pod, DATA, ARTIFACTS, KEY)]
    on_everything = {action for s in statements if s["Resource"] == "*" for action in s["Action"]}
    assert {a for a in on_everything if not a.startswith("ec2:Describe")} == {
        "ecr:GetAuthorizationToken", "logs:DescribeLogGroups",
    }  # fmt: skip


@pytest.mark.parametrize("project", ["flights", "p" * 40])
def test_the_state_is_where_the_command_that_prepares_it_puts_it(scope, project):
    account = scope(project=project).account
    assert state_bucket(account) == state_store.bucket_name(project, account.id, account.region)
    assert state_alias(account) == state_store.alias_name(project)
