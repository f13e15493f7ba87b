"""The stack's configuration as one validated value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mlops_platform.errors import PlatformError

TARGETS = ("local",)
STORES = ("seaweedfs", "minio", "s3")
_S3_KEYS = ("s3Endpoint", "s3Region", "dataBucket", "artifactBucket")  # what only a store elsewhere has
_DEFAULT_REGION = "us-east-1"
_SLUG = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_SLUG_LIMIT = 40
_REGION = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LOWEST_PORT, _HIGHEST_PORT = 1024, 65535
Get = Callable[[str], str | None]


@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """Which object store an environment has.

    Attributes:
        kind: one of `STORES`: a process of the environment, or "s3" for one that somebody else runs.
        port: of a store's own process on loopback; 0 means any free one.
        endpoint: URL of a store elsewhere; empty for AWS.
        region: with which requests to a store elsewhere are signed.
        data_bucket: existing bucket for data in a store elsewhere; empty: one is made.
        artifact_bucket: existing bucket for artifacts in a store elsewhere; empty: one is made.
    """

    kind: str = STORES[0]
    port: int = 0
    endpoint: str = ""
    region: str = _DEFAULT_REGION
    data_bucket: str = ""
    artifact_bucket: str = ""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that decides what an environment consists of.

    Attributes:
        stack: the environment's name.
        target: where it runs, one of `TARGETS`.
        project: slug with which names begin.
        home: absolute folder of a local environment.
        store: its object store.
        tracking: whether it has an MLflow server.
        mlflow_port: port of the MLflow server on loopback; 0 means any free one.
        registry_port: port of the container registry on loopback; 0 means any free one.
    """

    stack: str
    target: str
    project: str
    home: Path
    store: StoreSettings = StoreSettings()
    tracking: bool = True
    mlflow_port: int = 0
    registry_port: int = 0


def load(get: Get, *, stack: str, directory: Path) -> Settings:
    """Read and check the configuration.

    Args:
        get: gives a key's value, or None when it isn't set.
        stack: the stack's name.
        directory: the folder of Pulumi.yaml, to which a relative `home` belongs.

    Raises:
        PlatformError: a value is out of its range; the message names the key and the command that sets it.
    """
    ports = _ports(get, "s3Port", "mlflowPort", "registryPort")
    return Settings(
        stack=stack,
        target=_one_of(get, "target", TARGETS),
        project=_project(get("project") or "mlops"),
        home=_home(get("home"), stack, directory),
        store=_store(get, ports["s3Port"]),
        tracking=_one_of(get, "tracking", ("true", "false")) == "true",
        mlflow_port=ports["mlflowPort"],
        registry_port=ports["registryPort"],
    )


def _store(get: Get, port: int) -> StoreSettings:
    kind = _one_of(get, "store", STORES)
    given = {key: value for key in _S3_KEYS if (value := get(key))}
    if kind != "s3":
        for key, value in given.items():
            raise _refusal(key, value, f"is about a store elsewhere, and store is {kind}", "")
        return StoreSettings(kind=kind, port=port)
    if port:
        raise _refusal("s3Port", str(port), "is the port of a store on this machine, and store is s3", "0")
    for key in ("dataBucket", "artifactBucket"):
        if key in given and not _BUCKET.fullmatch(given[key]):
            rule = "must be the name of a bucket: 3 to 63 lower-case letters, digits, hyphens and dots"
            raise _refusal(key, given[key], rule, "")
    region = given.get("s3Region", _DEFAULT_REGION)
    if not _REGION.fullmatch(region):
        raise _refusal("s3Region", region, "is not the name of a region", _DEFAULT_REGION)
    return StoreSettings(
        kind=kind,
        endpoint=_endpoint(given.get("s3Endpoint", "")),
        region=region,
        data_bucket=given.get("dataBucket", ""),
        artifact_bucket=given.get("artifactBucket", ""),
    )


def _endpoint(value: str) -> str:
    try:
        parts = urlsplit(value)
        plain = parts.scheme in {"http", "https"} and value.rstrip("/") == f"{parts.scheme}://{parts.netloc}"
        usable = plain and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:  # a port that is no number, or brackets without an address
        usable = False
    if value and not usable:
        rule = "must be http:// or https:// with a host and perhaps a port, or empty for AWS"
        raise _refusal("s3Endpoint", value, rule, "https://s3.example.com")
    return value.rstrip("/")


def _one_of(get: Get, key: str, allowed: tuple[str, ...]) -> str:
    value = get(key) or allowed[0]
    if value not in allowed:
        close = difflib.get_close_matches(value, allowed, n=1)
        raise _refusal(key, value, f"is not one of: {', '.join(allowed)}", close[0] if close else allowed[0])
    return value


def _project(value: str) -> str:
    if not _SLUG.fullmatch(value) or len(value) > _SLUG_LIMIT:
        rule = f"must be 1 to {_SLUG_LIMIT} lower-case letters, digits and hyphens, starting with a letter"
        raise _refusal("project", value, rule, "mlops")
    return value


def _ports(get: Get, *keys: str) -> dict[str, int]:
    """The port of each key; the same one twice is refused."""
    holders: dict[int, str] = {}
    ports: dict[str, int] = {}
    for key in keys:
        port = ports[key] = _port(get, key)
        if port and (holder := holders.setdefault(port, key)) != key:
            raise _refusal(key, str(port), f"is {holder} too", "0")
    return ports


def _port(get: Get, key: str) -> int:
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
