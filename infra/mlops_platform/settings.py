"""The stack's configuration as one validated value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlops_platform.errors import PlatformError

TARGETS = ("local",)
_SLUG = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_SLUG_LIMIT = 40
_LOWEST_PORT, _HIGHEST_PORT = 1024, 65535


@dataclass(frozen=True)
class Settings:
    """Everything that decides what an environment consists of.

    Attributes:
        stack: the environment's name.
        target: where it runs, one of `TARGETS`.
        project: slug with which names begin.
        home: absolute folder of a local environment.
        s3_port: port of the object store on loopback; 0 means any free one.
        mlflow_port: port of the MLflow server on loopback; 0 means any free one.
    """

    stack: str
    target: str
    project: str
    home: Path
    s3_port: int
    mlflow_port: int


def load(get: Callable[[str], str | None], *, stack: str, directory: Path) -> Settings:
    """Read and check the configuration.

    Args:
        get: gives a key's value, or None when it isn't set.
        stack: the stack's name.
        directory: the folder of Pulumi.yaml, to which a relative `home` belongs.

    Raises:
        PlatformError: a value is out of its range; the message names the key and the command that sets it.
    """
    s3_port, mlflow_port = _port(get, "s3Port"), _port(get, "mlflowPort")
    if s3_port and s3_port == mlflow_port:
        raise _refusal("mlflowPort", str(mlflow_port), "is the port of the object store too", "0")
    return Settings(
        stack=stack,
        target=_target(get("target") or "local"),
        project=_project(get("project") or "mlops"),
        home=_home(get("home"), stack, directory),
        s3_port=s3_port,
        mlflow_port=mlflow_port,
    )


def _target(value: str) -> str:
    if value not in TARGETS:
        close = difflib.get_close_matches(value, TARGETS, n=1)
        raise _refusal("target", value, f"is not one of: {', '.join(TARGETS)}", close[0] if close else TARGETS[0])
    return value


def _project(value: str) -> str:
    if not _SLUG.fullmatch(value) or len(value) > _SLUG_LIMIT:
        rule = f"must be 1 to {_SLUG_LIMIT} lower-case letters, digits and hyphens, starting with a letter"
        raise _refusal("project", value, rule, "mlops")
    return value


def _port(get: Callable[[str], str | None], key: str) -> int:
    value = get(key) or "0"
    if value != "0" and not (value.isdecimal() and _LOWEST_PORT <= int(value) <= _HIGHEST_PORT):
        raise _refusal(key, value, f"must be {_LOWEST_PORT} to {_HIGHEST_PORT}, or 0 for any free port", "0")
    return int(value)


def _home(value: str | None, stack: str, directory: Path) -> Path:
    home = (directory / (value or Path("..", ".seedbed", "environments", stack))).resolve()
    if home == Path(home.anchor) or home == Path.home() or directory.resolve().is_relative_to(home):
        raise _refusal("home", str(value), "holds more than one environment's files", "")
    return home


def _refusal(key: str, value: str, rule: str, example: str) -> PlatformError:
    return PlatformError(
        f"Configuration {key} = {value!r} {rule}",
        f"Set another value, for example: pulumi config set {key} {example or chr(34) * 2}",
    )
