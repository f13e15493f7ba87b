"""Names of cloud resources, within each system's own limits."""

from __future__ import annotations

import hashlib
import re

BUCKET_LIMIT = 63
NAMESPACE_LIMIT = 63
_DIGEST_LENGTH = 8


def bucket_name(project: str, stack: str, purpose: str) -> str:
    """The S3 bucket of a project's stack for a purpose ("data" or "artifacts").

    Returns:
        3 to 63 lower-case letters, digits and hyphens. A longer name ends in a hash of the whole instead,
        so that two long names never meet.
    """
    return limited(re.sub(r"[^a-z0-9]+", "-", f"{project}-{stack}-{purpose}".lower()).strip("-"), BUCKET_LIMIT)


def namespace_name(project: str, stack: str, purpose: str = "") -> str:
    """The Kubernetes namespace of a project's stack, as a whole or for a purpose; at most 63 characters, as above."""
    return limited("-".join(filter(None, (project, stack, purpose))), NAMESPACE_LIMIT)


def limited(whole: str, limit: int) -> str:
    """The name itself, or its beginning and a hash of the whole when it is longer than `limit` characters."""
    if len(whole) <= limit:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{whole[: limit - _DIGEST_LENGTH - 1].rstrip('-')}-{digest}"
