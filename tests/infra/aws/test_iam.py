"""The simulator that the other tests rely on, against examples of AWS's own documentation."""

import pytest
from tests.infra.aws.iam import Request, allowed, may_assume

BUCKET = "arn:aws:s3:::carlossalazar"


def policy(**statement):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", **statement}]}


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html, "Example"
CARLOS = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:ListAllMyBuckets"], "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:*", "Resource": [BUCKET, f"{BUCKET}/*"]},
        {"Effect": "Deny", "Action": "s3:*", "Resource": [f"{BUCKET}/Logs", f"{BUCKET}/Logs/*"]},
    ],
}


@pytest.mark.parametrize(
    ("action", "resource", "expected"),
    [
        ("s3:ListAllMyBuckets", "*", True),
        ("s3:PutObject", f"{BUCKET}/plan.txt", True),
        ("s3:GetObject", f"{BUCKET}/Logs/today", False),
        ("s3:GetObject", "arn:aws:s3:::other/plan.txt", False),
        ("s3:GetObject", f"{BUCKET}2/plan.txt", False),
        ("ec2:RunInstances", "*", False),
        ("S3:putobject", f"{BUCKET}/plan.txt", True),
        ("s3:PutObject", f"{BUCKET.upper()}/plan.txt", False),
    ],
)
def test_an_explicit_denial_wins_and_nothing_is_allowed_unasked(action, resource, expected):
    assert allowed(Request(action, resource), CARLOS) is expected


def test_a_boundary_is_a_ceiling_and_grants_nothing():
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html"""
    boundary = policy(Action=["s3:*", "cloudwatch:*", "ec2:*"])
    create = Request("iam:CreateUser")
    assert not allowed(create, policy(Action="iam:CreateUser"), boundary=boundary)
    assert not allowed(Request("s3:GetObject", f"{BUCKET}/a"), boundary=boundary)
    assert allowed(Request("s3:GetObject", f"{BUCKET}/a"), policy(Action="s3:GetObject"), boundary=boundary)


def test_a_resource_policy_grants_by_itself_and_denies_all():
    caller = {"AWS": "arn:aws:iam::123456789012:role/x"}
    grants = policy(Action="s3:GetObject", Resource=f"{BUCKET}/*", Principal=caller)
    read = Request("s3:GetObject", f"{BUCKET}/a", {"aws:SecureTransport": "false"}, caller)
    assert allowed(read, resource_policies=[grants])
    assert not allowed(Request(read.action, read.resource, principal={"AWS": "other"}), resource_policies=[grants])
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html, "HTTP or HTTPS"
    tls = {"Version": "2012-10-17", "Statement": {
        "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [BUCKET, f"{BUCKET}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}}}}  # fmt: skip
    assert not allowed(read, policy(Action="s3:*"), resource_policies=[tls])
    secure = Request(read.action, read.resource, {"aws:SecureTransport": "true"}, caller)
    assert allowed(secure, policy(Action="s3:*"), resource_policies=[tls])


@pytest.mark.parametrize(
    ("condition", "context", "expected"),
    [
        # .../reference_policies_condition-single-vs-multi-valued-context-keys.html and .../elements_condition_operators
        ({"StringEquals": {"k": ["a", "b"]}}, {"k": "b"}, True),
        ({"StringEquals": {"k": "a"}}, {}, False),
        ({"StringEquals": {"k": "a"}}, {"k": "A"}, False),
        ({"StringEqualsIgnoreCase": {"k": "a"}}, {"k": "A"}, True),
        ({"StringNotEquals": {"k": "a"}}, {}, True),
        ({"StringNotEquals": {"k": ["a", "b"]}}, {"k": "b"}, False),
        ({"StringEqualsIfExists": {"k": "a"}}, {}, True),
        ({"StringEqualsIfExists": {"k": "a"}}, {"k": "b"}, False),
        ({"StringLike": {"k": "a*c?"}}, {"k": "abbcd"}, True),
        ({"StringEquals": {"k": "a*"}}, {"k": "ab"}, False),
        ({"StringLike": {"k": "a[b]"}}, {"k": "ab"}, False),
        ({"Null": {"k": "true"}}, {}, True),
        ({"Null": {"k": "false"}}, {}, False),
        ({"Bool": {"k": "true"}}, {"k": "true"}, True),
        ({"Bool": {"k": "true"}}, {}, False),
        ({"ArnLike": {"k": "arn:aws:sns:*:123456789012:t*"}}, {"k": "arn:aws:sns:eu-west-1:123456789012:tt"}, True),
        ({"ArnLike": {"k": "arn:aws:*:t"}}, {"k": "arn:aws:sns:eu-west-1:123456789012:t"}, False),
        ({"ForAllValues:StringEquals": {"k": ["a", "b"]}}, {"k": ["a"]}, True),
        ({"ForAllValues:StringEquals": {"k": ["a", "b"]}}, {"k": ["a", "c"]}, False),
        ({"ForAllValues:StringEquals": {"k": ["a", "b"]}}, {}, True),
        ({"ForAnyValue:StringEquals": {"k": ["a", "b"]}}, {"k": ["c", "a"]}, True),
        ({"ForAnyValue:StringEquals": {"k": ["a", "b"]}}, {}, False),
        ({"StringEquals": {"k": "a", "l": "b"}}, {"k": "a", "l": "c"}, False),
        ({"StringEquals": {"K": "a"}}, {"k": "a"}, True),
    ],
)  # fmt: skip
def test_conditions(condition, context, expected):
    assert allowed(Request("s3:GetObject", context=context), policy(Action="s3:*", Condition=condition)) is expected


def test_the_other_elements():
    assert allowed(Request("ec2:RunInstances"), policy(NotAction="iam:*"))
    assert not allowed(Request("iam:CreateRole"), policy(NotAction="iam:*"))
    others = {"Statement": {"Effect": "Allow", "Action": "s3:*", "NotResource": f"{BUCKET}/*"}}
    assert not allowed(Request("s3:GetObject", f"{BUCKET}/a"), others)


def test_what_it_does_not_know_is_no_answer():
    request = Request("s3:GetObject", context={"k": "a"})
    for statement in (
        {"Condition": {"DateLessThan": {"k": "a"}}},
        {"Resource": "arn:aws:s3:::home/${aws:username}"},
        {"NotPrincipal": "*"},
    ):
        with pytest.raises(NotImplementedError):
            allowed(request, policy(Action="s3:*", **statement))
    with pytest.raises(ValueError, match="several values"):
        allowed(Request("s3:GetObject", context={"k": ["a"]}), policy(Action="*", Condition={"StringLike": {"k": "a"}}))


def test_a_token_is_let_in_by_the_trust_policy_alone():
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-idp_oidc.html, for GitHub"""
    provider = {"Federated": "arn:aws:iam::012345678910:oidc-provider/token.actions.githubusercontent.com"}
    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": provider, "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:GitHubOrg/GitHubRepo:ref:refs/heads/GitHubBranch"}}}]}  # fmt: skip
    issuer = "token.actions.githubusercontent.com"
    token = {f"{issuer}:aud": "sts.amazonaws.com",
             f"{issuer}:sub": "repo:GitHubOrg/GitHubRepo:ref:refs/heads/GitHubBranch"}  # fmt: skip
    assert may_assume(trust, provider, token)
    assert not may_assume(trust, provider, {**token, f"{issuer}:sub": "repo:GitHubOrg/GitHubRepo:ref:refs/heads/x"})
    assert not may_assume(trust, provider, {f"{issuer}:sub": token[f"{issuer}:sub"]})
    assert not may_assume(trust, {"Federated": "arn:aws:iam::012345678910:oidc-provider/evil.example"}, token)
