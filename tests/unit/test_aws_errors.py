"""What boto3 raises, as what a person is told."""

import botocore.exceptions as boto
import pytest
from botocore.parsers import ResponseParserError
from tests.unit.aws_double import refusal

from seedbed.environments.aws import account, errors


@pytest.mark.parametrize(
    ("code", "kind", "hint"),
    [
        ("ExpiredToken", "credentials-expired", "aws sso login"),
        ("ExpiredTokenException", "credentials-expired", "run the command again"),
        ("RequestExpired", "credentials-expired", "aws sso login"),
        ("InvalidClientTokenId", "credentials-refused", "get-caller-identity"),
        ("SignatureDoesNotMatch", "credentials-refused", "get-caller-identity"),
        ("UnauthorizedOperation", "not-allowed", "administrator"),
        ("AccessDenied", "not-allowed", "administrator"),
        ("403", "not-allowed", "administrator"),
        ("SlowDown", "throttled", "Wait a minute"),
        ("Throttling", "throttled", "Wait a minute"),
        ("NoSuchThing", "aws", ""),
    ],
)
def test_refusals(code, kind, hint):
    with pytest.raises(errors.AwsError) as raised, errors.translated("look at bucket x"):
        raise refusal(code)
    assert raised.value.kind == kind
    assert "look at bucket x" in raised.value.message
    assert hint in raised.value.hint
    assert raised.value.exit_code == 7
    assert raised.value.as_dict()["code"] == code


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (boto.NoCredentialsError(), "credentials-missing"),
        (boto.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), "credentials-missing"),
        (boto.ProfileNotFound(profile="nobody"), "credentials-missing"),
        (boto.UnauthorizedSSOTokenError(), "credentials-expired"),
        (boto.SSOTokenLoadError(profile_name="x", error_msg="gone"), "credentials-expired"),
        (boto.TokenRetrievalError(provider="sso", error_msg="expired"), "credentials-expired"),
        (boto.CredentialRetrievalError(provider="process", error_msg="exit 1"), "credentials-expired"),
        (boto.EndpointConnectionError(endpoint_url="https://x", error="refused"), "aws-unreachable"),
        (boto.ReadTimeoutError(endpoint_url="https://x", error="slow"), "aws-unreachable"),
        (boto.ConnectTimeoutError(endpoint_url="https://x", error="slow"), "aws-unreachable"),
        (boto.ParamValidationError(report="x"), "aws"),
        (ResponseParserError("<html>the proxy's page</html>"), "aws"),
    ],
)
def test_what_never_reached_a_service(error, kind):
    with pytest.raises(errors.AwsError) as raised, errors.translated("look"):
        raise error
    assert raised.value.kind == kind


def test_without_credentials_the_error_says_how_to_give_some(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(errors.CredentialsMissingError, match="no credentials"):
        account.connect("123456789012", "eu-west-1")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(errors.CredentialsMissingError, match="nobody"):
        account.connect("123456789012", "eu-west-1")


def test_an_unreachable_service_is_found_out_in_seconds(monkeypatch):
    import time

    for name, value in {
        "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with pytest.raises(errors.UnreachableError):
        account.connect("123456789012", "eu-west-1")


@pytest.mark.parametrize(
    ("region", "partition", "home"),
    [
        ("eu-west-1", "aws", "us-east-1"),
        ("cn-north-1", "aws-cn", "cn-north-1"),
        ("us-gov-east-1", "aws-us-gov", "us-gov-west-1"),
    ],
)
def test_partitions(region, partition, home):
    clients = account.Clients(region)
    assert (clients.partition, clients.home_region) == (partition, home)
    made = account.Account("123456789012", clients, "x")
    assert made.arn("kms", "alias/x") == f"arn:{partition}:kms:{region}:123456789012:alias/x"
    assert made.arn("iam", "role/x", region=False) == f"arn:{partition}:iam::123456789012:role/x"
