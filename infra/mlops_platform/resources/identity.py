"""What tells one environment from every other one, also from another checkout's of the same name."""

from __future__ import annotations

import uuid
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource

from mlops_platform.resources.provider import Provider


class IdentityProvider(Provider):
    """Draws it. It exists in the state alone, so there is nothing to read, change or delete."""

    def create(self, _props: dict[str, Any]) -> CreateResult:
        """Draw a random value."""
        return CreateResult("identity", {"value": uuid.uuid4().hex})

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Nothing about it ever changes."""
        return DiffResult(changes=False)


class Identity(Resource, module="mlops", name="Identity"):
    """A random value that stays as long as the environment does; no secret."""

    value: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(IdentityProvider(), name, {"value": None}, opts)
