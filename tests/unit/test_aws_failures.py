"""The engine's failures that come from AWS, as what a person is told."""

import pytest
from pulumi.automation import CommandResult
from pulumi.automation.errors import create_command_error

from seedbed.environments.events import Recorder
from seedbed.environments.failures import explained
from seedbed.errors import InfrastructureError

# As the provider, the S3 backend, the KMS secrets provider and the SDK's chain of credentials word it.
EXPIRED = [
    (
        "creating S3 Bucket (x): operation error S3: CreateBucket, https response error StatusCode: 400, RequestID: 1,"
        " HostID: 2, api error ExpiredToken: The provided token has expired."
    ),
    (
        "reading EC2 VPC (vpc-1): operation error EC2: DescribeVpcs, https response error StatusCode: 400, RequestID: 1,"
        " api error RequestExpired: Request has expired."
    ),
    (
        "error: failed to save snapshot: An IO error occurred while writing the new snapshot file: blob (code=Unknown):"
        " operation error S3: PutObject, api error ExpiredToken: The provided token has expired."
    ),
    (
        "secrets (code=Unknown): operation error KMS: Decrypt, https response error StatusCode: 400, RequestID: 1, api error"
        " ExpiredTokenException: The security token included in the request is expired"
    ),
    "error: failed to refresh cached credentials, refresh cached SSO token failed, unable to refresh SSO token",
    "error: the SSO session has expired or is invalid",
]
MISSING = [
    "error: pulumi:providers:aws resource 'aws' has a problem: No valid credential sources found.",
    (
        "operation error S3: ListObjectsV2, get identity: get credentials: failed to refresh cached credentials, no EC2 IMDS"
        " role found, operation error ec2imds: GetMetadata"
    ),
]


def told(text, problems=()):
    recorder = Recorder("up", print)
    recorder.problems = list(problems)
    with pytest.raises(InfrastructureError) as raised, explained("prod", recorder):
        raise create_command_error(CommandResult("", text, 255))
    return raised.value


@pytest.mark.parametrize("text", EXPIRED)
def test_expired_credentials_say_how_to_go_on(text):
    for error in (told(text), told("update failed", [text])):
        assert error.kind == "credentials-expired"
        assert "aws sso login" in error.hint
        assert "What was done is kept" in error.hint
        assert text[:40] in error.message, "what was being done stays in the message"


@pytest.mark.parametrize("text", MISSING)
def test_missing_credentials_are_another_thing(text):
    error = told(text)
    assert error.kind == "credentials-missing"
    assert "AWS_PROFILE" in error.hint


@pytest.mark.parametrize("text", ["the bucket's lifecycle rule has expired objects", "port 9000 is taken"])
def test_other_failures_stay_as_they_are(text):
    assert told(text).kind == "infrastructure"
