"""What all providers here share.

Pulumi keeps a provider in the state as a reference to its class. Whoever moves or renames such a class, or the
`mlops_platform` package, must keep the old name importable: destroying an existing environment needs it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from pulumi.dynamic import ConfigureRequest, ResourceProvider
from pulumi.output import Unknown

from mlops_platform.errors import PlatformError
from mlops_platform.resources import engine_watch

_OPERATIONS = ("create", "read", "update", "delete", "diff")


class Provider(ResourceProvider):
    """A provider without state of its own, whose errors read as they were meant."""

    # The class's name is no secret; the default would mark every resource as one.
    serialize_as_secret_always = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for operation in _OPERATIONS:
            if operation in cls.__dict__:
                setattr(cls, operation, _without_trace(cls.__dict__[operation]))

    def configure(self, _request: ConfigureRequest) -> None:
        """Called once in a plugin's life, before anything else."""
        engine_watch.start()


def _without_trace(operation: Callable[..., Any]) -> Callable[..., Any]:
    # Pulumi shows the whole stack trace of an exception. Of an error meant for the person it would only hide the text.
    @functools.wraps(operation)
    def call(*arguments: Any) -> Any:
        try:
            return operation(*arguments)
        except PlatformError as error:
            raise error.with_traceback(None) from None

    return call


def expected(olds: dict[str, Any], news: dict[str, Any]) -> dict[str, Any]:
    """The wanted inputs, with the present value in place of each that a preview can't tell yet.

    A restarted process keeps its ports nearly always, so a preview shows the restart and not all that hangs on it; the
    operation itself compares again, with every value known.
    """
    return {key: olds.get(key) if _is_unknown(value) else value for key, value in news.items()}


def _is_unknown(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_is_unknown(part) for part in value.values())
    if isinstance(value, list):
        return any(_is_unknown(part) for part in value)
    return isinstance(value, Unknown)
