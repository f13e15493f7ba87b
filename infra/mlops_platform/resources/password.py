"""A password, made once and kept in the state, encrypted."""

from __future__ import annotations

import secrets
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource

from mlops_platform.resources.provider import Provider

_BYTES = 24


class PasswordProvider(Provider):
    """Draws it. It exists in the state alone, so there is nothing to read, change or delete."""

    def create(self, _props: dict[str, Any]) -> CreateResult:
        """Draw 192 random bits, as 32 letters, digits, hyphens and underscores."""
        return CreateResult("password", {"value": secrets.token_urlsafe(_BYTES)})

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Nothing about it ever changes."""
        return DiffResult(changes=False)


class Password(Resource, module="mlops", name="Password"):
    """A generated password; its value is a secret."""

    value: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["value"])
        super().__init__(PasswordProvider(), name, {"value": None}, pulumi.ResourceOptions.merge(opts, secret))
