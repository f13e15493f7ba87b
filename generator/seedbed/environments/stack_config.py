"""A spec's environment as Pulumi stack configuration: the one place where spec keys meet configuration keys."""

from __future__ import annotations

import json

from seedbed.errors import SpecError
from seedbed.spec import Environment, ProjectSpec

PROGRAM = "mlops-platform"
# The program's keys that the spec decides, and the key of an [environments.NAME] table that each comes from.
_OPTIONAL = {
    "store": "store",
    "s3Port": "s3_port",
    "s3Endpoint": "s3_endpoint",
    "s3Region": "s3_region",
    "dataBucket": "data_bucket",
    "artifactBucket": "artifact_bucket",
    "mlflowPort": "mlflow_port",
    "registryPort": "registry_port",
}
_DEFAULTS = Environment()
CONFIG_KEYS = frozenset(f"{PROGRAM}:{key}" for key in ("target", "project", "tracking", *_OPTIONAL))


def environment_of(spec: ProjectSpec, name: str) -> Environment:
    """The environment of this name.

    Raises:
        SpecError: the spec has none.
    """
    if name not in spec.environments:
        known = ", ".join(spec.environments)
        raise SpecError(
            f"The spec has no environment '{name}'",
            hint=f"It has: {known}. Add [environments.{name}] to seedbed.toml.",
        )
    return spec.environments[name]


def stack_config(spec: ProjectSpec, name: str) -> dict[str, str]:
    """The configuration values of an environment's stack."""
    environment = environment_of(spec, name)
    values = {"target": environment.target, "project": spec.slug}
    if not spec.choices.tracking:
        values["tracking"] = "false"
    for key, field in _OPTIONAL.items():
        if (value := getattr(environment, field)) != getattr(_DEFAULTS, field):
            values[key] = str(value)
    return {f"{PROGRAM}:{key}": value for key, value in values.items()}


def stack_file(spec: ProjectSpec, name: str) -> str:
    """The text of Pulumi.<stack>.yaml, as `seedbed new` writes it."""
    lines = [f"  {key}: {json.dumps(value)}" for key, value in stack_config(spec, name).items()]
    return "config:\n" + "\n".join(lines) + "\n"
