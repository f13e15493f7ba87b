"""The environment's object store. Endpoint, region and keys come from its variables (`AWS_…`)."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from .errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEME = "s3://"
CONNECT_SECONDS, READ_SECONDS = 5, 30


def split(url: str) -> tuple[str, str]:
    """Return the bucket and the prefix of `s3://bucket/prefix`; the prefix is empty or ends with a slash.

    Raises:
        ConfigError: it names no bucket.
    """
    bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
    if not bucket:
        raise ConfigError(f"{url!r} names no bucket", f"write it as {SCHEME}bucket/prefix")
    return bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""


def connect(attempts: int = 3) -> Any:
    """Return a client. Nothing is sent before its first use.

    Args:
        attempts: how often a request is made before its error is raised.
    """
    # Rarely needed, and slow to import. The shared session would keep the keys of whoever came first.
    from boto3.session import Session
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        # Stores other than AWS may have no name of its own for each bucket.
        s3={"addressing_style": "path"},
    )
    region = os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return Session().client("s3", endpoint_url=endpoint(), region_name=region, config=config)


def endpoint() -> str | None:
    """Return the store's address; None is AWS."""
    return os.environ.get("AWS_ENDPOINT_URL") or None


@contextlib.contextmanager
def errors(what: str) -> Iterator[None]:
    """Turn the client's errors into ours.

    Args:
        what: is being done, for the message.

    Raises:
        StoreError: the store can't be reached, or refuses.
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise StoreError(
            f"{what}: {endpoint() or 'AWS'} failed: {error}",
            "are AWS_ENDPOINT_URL and the keys those of a running environment?",
        ) from error
