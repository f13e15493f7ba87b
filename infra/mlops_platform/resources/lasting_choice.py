"""A choice with which an environment stays, because what it holds would be lost with another one."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource

from mlops_platform.errors import PlatformError
from mlops_platform.resources.provider import Provider, expected


class LastingChoiceProvider(Provider):
    """Keeps it. It exists in the state alone, so there is nothing to read or delete."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Take it."""
        return CreateResult("choice", dict(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Nothing about it ever changes.

        Raises:
            PlatformError: another choice is wanted, also in a preview.
        """
        wanted = expected(olds, news)
        if olds["value"] != wanted["value"]:
            raise PlatformError(
                f"The {olds['subject']} is {olds['value']}, and {wanted['value']} is wanted: what it holds would be"
                " lost",
                f"Set {olds['keys']} back, or save what you need of it, take the environment down, and up again.",
            )
        return DiffResult(changes=False)


class LastingChoice(Resource, module="mlops", name="LastingChoice"):
    """A choice that can't be changed while the environment lives. Whatever depends on it is left as it is, too.

    Args:
        name: Pulumi name.
        subject: what was chosen, for the message.
        value: what it was chosen to be.
        keys: the settings that decide it, for the message.
        opts: Pulumi options.
    """

    def __init__(
        self, name: str, *, subject: str, value: str, keys: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(LastingChoiceProvider(), name, {"subject": subject, "value": value, "keys": keys}, opts)
