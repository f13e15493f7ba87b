"""Calls to AWS with the credentials of the person who runs the command, and only to the environment's own account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mlops_platform.errors import PlatformError
from mlops_platform.resources.emptying import EXPIRED

# The tag that every resource of an environment carries; components/aws/account.py puts it there.
ENVIRONMENT_TAG = "seedbed:environment"
_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 10, 60, 10
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_LOG_IN = "Log in again and run the same command: nothing is forgotten, and it goes on where this one stopped."


def client(service: str, props: Mapping[str, Any]) -> Any:
    """A client for a service in the environment's region, which slows down when AWS asks for it.

    Args:
        service: botocore's name of it.
        props: of a resource: its `region`.
    """
    import boto3
    from botocore.config import Config

    session: Any = boto3.session.Session()
    return session.client(
        service,
        region_name=props["region"],
        config=Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"total_max_attempts": _ATTEMPTS, "mode": "adaptive"},
        ),
    )


def require_account(props: Mapping[str, Any]) -> None:
    """Stop unless the credentials are of the environment's account.

    Args:
        props: of a resource: its `account` and `region`.

    Raises:
        PlatformError: they are of another one, or there are none.
    """
    with explained("find out whose credentials these are"):
        found = client("sts", props).get_caller_identity()["Account"]
    if found != props["account"]:
        raise PlatformError(
            f"These credentials are of account {found}, and the environment is in {props['account']}: nothing was"
            " deleted",
            f"Use credentials of account {props['account']} (AWS_PROFILE, aws sso login), and run the command again.",
        )


def tags(found: list[dict[str, str]]) -> dict[str, str]:
    """Tags as most services list them; ECR has small letters."""
    return {str(tag.get("Key", tag.get("key"))): str(tag.get("Value", tag.get("value"))) for tag in found}


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn what goes wrong between here and AWS into an error that says what to do.

    Args:
        what: was to be done, after "can't".

    Raises:
        PlatformError: in place of botocore's own errors.
    """
    from botocore import exceptions

    problem = f"Can't {what}"
    try:
        yield
    except exceptions.ClientError as error:
        code, message = (error.response["Error"].get(key, "") for key in ("Code", "Message"))
        if code in EXPIRED:
            raise PlatformError(f"{problem}: the credentials have ended ({code})", _LOG_IN) from error
        remedy = (
            f"Run the command with credentials that may call {error.operation_name}, or have somebody run it who may."
            if code in _DENIED
            else "See what AWS says, and run the command again: nothing is forgotten."
        )
        raise PlatformError(f"{problem}: AWS refuses {error.operation_name}: {code}, {message}", remedy) from error
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError, exceptions.ProfileNotFound) as error:
        raise PlatformError(
            f"{problem}: {error}",
            "Log in (aws sso login, AWS_PROFILE) or export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and run the"
            " command again.",
        ) from error
    except (exceptions.CredentialRetrievalError, exceptions.SSOError) as error:
        raise PlatformError(f"{problem}: the credentials can't be renewed: {error}", _LOG_IN) from error
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        raise PlatformError(
            f"{problem}: AWS doesn't answer: {error}",
            "See that this machine reaches the region's endpoints (proxies, AWS_ENDPOINT_URL), and run the command"
            " again: nothing is forgotten meanwhile.",
        ) from error
    except exceptions.BotoCoreError as error:
        raise PlatformError(
            f"{problem}: {error}", "Correct what it complains about and run the command again."
        ) from error
