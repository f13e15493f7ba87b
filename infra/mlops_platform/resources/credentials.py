"""A key pair for the object store, made once and kept in the state, encrypted."""

from __future__ import annotations

import secrets
import string
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource

from mlops_platform.resources.provider import Provider

_ACCESS_KEY_LENGTH = 20
_SECRET_KEY_LENGTH = 40


class CredentialsProvider(Provider):
    """Makes the keys. They exist in the state alone, so there is nothing to read, change or delete."""

    def create(self, _props: dict[str, Any]) -> CreateResult:
        """Draw the keys."""
        access_key = _draw(string.ascii_uppercase + string.digits, _ACCESS_KEY_LENGTH)
        secret_key = _draw(string.ascii_letters + string.digits, _SECRET_KEY_LENGTH)
        return CreateResult("credentials", {"access_key": access_key, "secret_key": secret_key})

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Nothing about them ever changes."""
        return DiffResult(changes=False)


class Credentials(Resource, module="mlops", name="Credentials"):
    """Generated S3 credentials; both outputs are secrets."""

    access_key: pulumi.Output[str]
    secret_key: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["access_key", "secret_key"])
        super().__init__(
            CredentialsProvider(),
            name,
            {"access_key": None, "secret_key": None},
            pulumi.ResourceOptions.merge(opts, secret),
        )


def _draw(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))
