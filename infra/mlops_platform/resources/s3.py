"""The few S3 calls that buckets need, with errors that say what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from mlops_platform.errors import PlatformError
from mlops_platform.resources import emptying

ENABLED = "Enabled"
_ABSENT = {"NoSuchBucket", "404"}
_CONNECT_SECONDS, _READ_SECONDS = 5, 30
_UNSET = (None, None, None, None)  # a botocore setting without any source
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
# How this machine gets out to a store elsewhere.
NETWORK_VARIABLES = ("AWS_CA_BUNDLE", *_PROXIES, *map(str.lower, _PROXIES))


@dataclass(frozen=True)
class Remedies:
    """What a person can do about a store.

    Attributes:
        refused: when it refuses a request.
        silent: when it doesn't answer.
        incomplete: when it says that something is done, and it isn't.
    """

    refused: str
    silent: str
    incomplete: str


OWN = Remedies(
    refused="See the store's log in the environment's folder. If another program has its port, stop that, and run up.",
    silent="Run the command again; if it stays like that, stop the store's process, and `up` starts it anew.",
    incomplete="See the store's log in the environment's folder, and run the command again.",
)
EXTERNAL = Remedies(
    refused="See that AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are of an account with the right to do this, and run"
    " the command again; up takes over keys that have changed.",
    silent="See that this machine reaches the address (s3_endpoint, proxies), and run the command again: nothing is"
    " forgotten meanwhile.",
    incomplete="Ask those who run the store, and run the command again.",
)


def connect(props: Mapping[str, Any]) -> Any:
    """A client for the environment's own store at `endpoint`, with none of the person's own AWS settings in it."""
    return _client(props, {"ca_bundle": _UNSET}, attempts=2, s3={"addressing_style": "path"}, proxies={})


def connect_external(props: Mapping[str, Any]) -> Any:
    """A client for a store elsewhere. Of the person's own settings only those about the way there have a say."""
    style = "path" if props["endpoint"] else "auto"  # few stores beside AWS have a host name for each bucket
    return _client(props, {}, attempts=4, s3={"addressing_style": style})


def _client(props: Mapping[str, Any], session_variables: Mapping[str, Any], *, attempts: int, **options: Any) -> Any:
    # Half a second that an operation without buckets doesn't need to spend.
    import boto3
    import botocore.session
    from botocore.config import Config

    own = botocore.session.Session(
        {"profile": _UNSET, "config_file": _UNSET, "credentials_file": _UNSET, **session_variables}
    )
    own.set_config_variable("ignore_configured_endpoint_urls", True)
    return boto3.session.Session(botocore_session=own).client(
        "s3",
        endpoint_url=props["endpoint"] or None,
        region_name=props["region"],
        aws_access_key_id=props["access_key"],
        aws_secret_access_key=props["secret_key"],
        config=Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"total_max_attempts": attempts, "mode": "standard"},
            **options,
        ),
    )


def ensure_bucket(client: Any, bucket: str) -> None:
    """Make a bucket with versioning; one that is there already, and ours, will do.

    Raises:
        PlatformError: the store doesn't answer or refuses.
    """
    with explained(client, bucket, OWN):
        with suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": ENABLED})


def versioning(client: Any, bucket: str, remedies: Remedies = OWN) -> str | None:
    """The state of a bucket's versioning, empty if it never was on; None if there is no such bucket.

    Raises:
        PlatformError: the store doesn't answer or refuses.
    """
    with explained(client, bucket, remedies):
        try:
            return str(client.get_bucket_versioning(Bucket=bucket).get("Status", ""))
        except client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return None
            raise


def refuse_unless_empty(client: Any, bucket: str, remedies: Remedies = OWN, *, but: str = "") -> None:
    """Stop what would take a bucket's objects with it.

    Args:
        client: of the store.
        bucket: its name.
        remedies: what to advise.
        but: key of an object that doesn't count.

    Raises:
        PlatformError: it holds objects; or the store doesn't answer or refuses.
    """
    if versioning(client, bucket, remedies) is not None and holds_objects(client, bucket, remedies, but=but):
        raise PlatformError(
            f"Bucket {bucket} holds objects, and would be deleted since its name is to change",
            "Keep the name, which comes from configuration `project` or is given itself, or take the environment and"
            " its objects down, and up again.",
        )


def holds_objects(client: Any, bucket: str, remedies: Remedies, *, but: str = "") -> bool:
    """Whether a bucket lists any version of an object, or mark of a deleted one, beside those of the key `but`.

    Raises:
        PlatformError: the store doesn't answer or refuses.
    """
    with explained(client, bucket, remedies):
        return emptying.holds_objects(client, bucket, but=but)


def delete_bucket(client: Any, bucket: str, remedies: Remedies = OWN, *, last: str = "") -> None:
    """Delete a bucket with everything in it; one that isn't there is as good as deleted.

    Args:
        client: of the store.
        bucket: its name.
        remedies: what to advise.
        last: key of an object that stays until all others are gone.

    Raises:
        PlatformError: the store doesn't answer or refuses.
    """
    with explained(client, bucket, remedies):
        if versioning(client, bucket, remedies) is None:
            return
        for but in dict.fromkeys((last, "")):
            emptying.empty(client, bucket, remedy=remedies.incomplete, but=but)
        client.delete_bucket(Bucket=bucket)


@contextmanager
def explained(client: Any, bucket: str, remedies: Remedies) -> Iterator[None]:
    """Turn what goes wrong between here and the store into an error that says what to do.

    Raises:
        PlatformError: in place of botocore's own errors.
    """
    from botocore import exceptions

    endpoint = client.meta.endpoint_url
    try:
        yield
    except exceptions.ClientError as error:
        reason = error.response["Error"]
        raise PlatformError(
            f"The store at {endpoint} refuses to work on bucket {bucket}: {reason['Code']}, {reason.get('Message')}",
            remedies.refused,
        ) from error
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        raise PlatformError(
            f"The store at {endpoint} doesn't answer, so bucket {bucket} can't be worked on: {error}", remedies.silent
        ) from error
    except exceptions.BotoCoreError as error:
        raise PlatformError(
            f"Bucket {bucket}: {error}", "Correct what it complains about and run the command again."
        ) from error
