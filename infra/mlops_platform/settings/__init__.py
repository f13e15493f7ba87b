"""The stack's configuration as one validated value."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from mlops_platform.errors import PlatformError
from mlops_platform.settings import aws, kubernetes, store, values
from mlops_platform.settings.aws import AwsSettings
from mlops_platform.settings.kubernetes import KubernetesSettings
from mlops_platform.settings.store import StoreSettings
from mlops_platform.settings.values import Get

__all__ = ["TARGETS", "AwsSettings", "KubernetesSettings", "Settings", "StoreSettings", "load"]

TARGETS = ("local", "kubernetes", "aws")
_SLUG = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_SLUG_LIMIT = 40
# Of a stack: it becomes part of the names of everything, under the rules of the strictest.
_STACK = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")
# What the state of all of a project's environments on AWS is called, where another part of the name says which.
_STATE = "state"
_PACKAGE = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that decides what an environment consists of.

    Attributes:
        stack: the environment's name.
        target: where it runs, one of `TARGETS`.
        project: slug with which names begin.
        package: the project's Python package, which its images run.
        home: absolute folder of a local environment.
        store: its object store.
        tracking: whether it has an MLflow server.
        serving: whether the project has a model service.
        monitoring: whether it is monitored.
        mlflow_port: port of the MLflow server on loopback; 0 means any free one.
        registry_port: port of the container registry on loopback; 0 means any free one.
        kubernetes: what only an environment on a cluster has; None elsewhere.
        aws: what only an environment on AWS has; None elsewhere.
    """

    stack: str
    target: str
    project: str
    package: str = "mlops"
    home: Path
    store: StoreSettings = field(default_factory=StoreSettings)
    tracking: bool = True
    serving: bool = True
    monitoring: bool = True
    mlflow_port: int = 0
    registry_port: int = 0
    kubernetes: KubernetesSettings | None = None
    aws: AwsSettings | None = None


def load(get: Get, *, stack: str, directory: Path) -> Settings:
    """Read and check the configuration.

    Args:
        get: gives a key's value, or None when it isn't set.
        stack: the stack's name.
        directory: the folder of Pulumi.yaml, to which a relative `home` belongs.

    Raises:
        PlatformError: a value is out of its range; the message names the key and the command that sets it.
    """
    target = values.one_of(get, "target", TARGETS)
    _check_stack(stack, target)
    local = target == "local"
    in_aws = aws.load(get) if target == "aws" else None
    on_cluster = target == "kubernetes" or (in_aws is not None and in_aws.variant == "platform")
    ports = values.ports(get, "s3Port", "mlflowPort", *(("registryPort",) if local else ()))
    project = _project(get("project") or "mlops")
    return Settings(
        stack=stack,
        target=target,
        project=project,
        package=_package(get("package") or project.replace("-", "_")),
        home=_home(get("home"), stack, directory),
        store=store.on_aws(in_aws.region) if in_aws else store.load(get, target=target, port=ports["s3Port"]),
        tracking=values.flag(get, "tracking", default=True),
        serving=values.flag(get, "serving", default=True),
        monitoring=values.flag(get, "monitoring", default=True),
        mlflow_port=ports["mlflowPort"],
        registry_port=ports.get("registryPort", 0),
        kubernetes=kubernetes.load(get, directory=directory, made=in_aws is not None) if on_cluster else None,
        aws=in_aws,
    )


def _check_stack(stack: str, target: str) -> None:
    remedy = "Make one of another name: pulumi stack init prod"
    if not _STACK.fullmatch(stack):
        rule = "must be 1 to 20 lower-case letters, digits and hyphens, starting with a letter"
        raise PlatformError(f"The name of stack {stack!r} {rule}: names of what it makes have it in them", remedy)
    if target == "aws" and stack == _STATE:
        raise PlatformError(f"A stack on AWS can't be called {_STATE!r}: the project's shared state is", remedy)


def _project(value: str) -> str:
    if not _SLUG.fullmatch(value) or len(value) > _SLUG_LIMIT:
        rule = f"must be 1 to {_SLUG_LIMIT} lower-case letters, digits and hyphens, starting with a letter"
        raise values.refusal("project", value, rule, "mlops")
    return value


def _package(value: str) -> str:
    if not _PACKAGE.fullmatch(value):
        raise values.refusal("package", value, "is not the name of a Python package", "mlops")
    return value


def _home(value: str | None, stack: str, directory: Path) -> Path:
    home = (directory / (value or Path("..", ".seedbed", "environments", stack))).resolve()
    if home == Path(home.anchor) or home == Path.home() or directory.resolve().is_relative_to(home):
        raise values.refusal("home", str(value), "holds more than one environment's files", "")
    return home
