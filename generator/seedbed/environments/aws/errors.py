"""Why an account of AWS can't be worked with, each told apart from the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from seedbed.errors import ConflictError, InfrastructureError, SeedbedError

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_AGAIN = "What was done is kept: run the command again afterwards."
RENEW = (
    "Renew your credentials: `aws sso login` for single sign-on, a new session token otherwise;"
    f" `aws sts get-caller-identity` tells whether they work. {_AGAIN}"
)
# The words by which the services refuse; S3, EC2 and the rest of them don't agree on any.
EXPIRED = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired", "ExpiredTokenFault"}
)
INVALID = frozenset(
    {
        "AuthFailure", "IncompleteSignature", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidToken",
        "MissingAuthenticationToken", "SignatureDoesNotMatch", "UnrecognizedClientException",
    }
)  # fmt: skip
DENIED = frozenset(
    {
        "403", "AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException",
        "Forbidden", "NotAuthorized", "UnauthorizedOperation",
    }
)  # fmt: skip
THROTTLED = frozenset(
    {
        "429", "503", "BandwidthLimitExceeded", "PriorRequestNotComplete", "RequestLimitExceeded", "RequestThrottled",
        "RequestThrottledException", "SlowDown", "Throttling", "ThrottledException", "ThrottlingException",
        "TooManyRequestsException",
    }
)  # fmt: skip
_SAID = 300


class AwsError(InfrastructureError):
    """AWS answered, and not with what was asked for."""

    kind = "aws"


class CredentialsMissingError(AwsError):
    """There are no credentials, or only a part of them."""

    kind = "credentials-missing"


class CredentialsExpiredError(AwsError):
    """There were good credentials, and their time is over."""

    kind = "credentials-expired"


class CredentialsRefusedError(AwsError):
    """AWS does not know the credentials."""

    kind = "credentials-refused"


class NotAllowedError(AwsError):
    """AWS knows who is asking and refuses."""

    kind = "not-allowed"


class ThrottledError(AwsError):
    """AWS wants fewer requests, also after several tries."""

    kind = "throttled"


class UnreachableError(AwsError):
    """No answer came. Nothing is known of what is there."""

    kind = "aws-unreachable"


class WrongAccountError(ConflictError):
    """The credentials are of another account than the environment's."""

    kind = "wrong-account"


def code_of(error: ClientError) -> str:
    """The service's own word for what is wrong."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what boto3 raises into errors that say what to do.

    Args:
        doing: what was asked for, for the message: "read bucket x".

    Raises:
        AwsError: of the kind that fits.
    """
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    try:
        yield
    except boto.ClientError as error:
        raise _refusal(error, doing) from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.ProfileNotFound) as error:
        raise CredentialsMissingError(
            f"There are no credentials for AWS, needed to {doing}: {_sentence(error)}",
            hint="Give some by AWS_PROFILE, by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or by `aws configure sso`.",
        ) from error
    except (
        boto.TokenRetrievalError,
        boto.SSOError,
        boto.CredentialRetrievalError,
        boto.MetadataRetrievalError,
        boto.RefreshWithMFAUnsupportedError,
    ) as error:
        raise CredentialsExpiredError(
            f"Your credentials for AWS can't be renewed, needed to {doing}: {_sentence(error)}", hint=RENEW
        ) from error
    except (boto.ConnectionError, boto.HTTPClientError) as error:
        raise UnreachableError(
            f"AWS did not answer, asked to {doing}: {_sentence(error)}",
            hint=f"Check the network, a proxy (HTTPS_PROXY) and the region. {_AGAIN}",
        ) from error
    # A proxy's page in place of AWS's answer is not among botocore's own errors.
    except (boto.BotoCoreError, ResponseParserError) as error:
        raise AwsError(f"AWS could not be asked to {doing}: {_sentence(error)}") from error


def _refusal(error: ClientError, doing: str) -> SeedbedError:
    code, said = code_of(error), _one_line(str(error.response.get("Error", {}).get("Message", "")))
    details: dict[str, Any] = {"code": code}
    if code in EXPIRED:
        return CredentialsExpiredError(
            f"Your credentials for AWS have expired, needed to {doing}", hint=RENEW, details=details
        )
    if code in INVALID:
        return CredentialsRefusedError(
            f"AWS does not accept your credentials, needed to {doing}: {said or code}",
            hint="Check them with `aws sts get-caller-identity`; a region that is not enabled refuses them too.",
            details=details,
        )
    if code in DENIED:
        return NotAllowedError(
            f"AWS does not allow you to {doing}: {said or code}",
            hint="Ask the account's administrator for that right, or use a role that has it.",
            details=details,
        )
    if code in THROTTLED:
        return ThrottledError(
            f"AWS asks for fewer requests, asked to {doing}: {said or code}",
            hint="Wait a minute and run the command again; others may be using the same account.",
            details=details,
        )
    return AwsError(f"AWS refused to {doing}: {code}: {said}", details=details)


def _sentence(error: Exception) -> str:
    return _one_line(str(error))


def _one_line(text: str) -> str:
    """The beginning of what was said: a proxy answers with whole pages."""
    return " ".join(text.split())[:_SAID]
