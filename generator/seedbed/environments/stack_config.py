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
    "context": "context",
    "size": "size",
    "storageClass": "storage_class",
    "storeSize": "store_size",
    "storeImage": "store_image",
    "storeTls": "store_tls",
    "pipelines": "pipelines",
    "pipelinesHost": "pipelines_host",
    "pipelinesManifests": "pipelines_manifests",
    "imageMirror": "image_mirror",
    "domain": "domain",
    "ingressClass": "ingress_class",
    "clusterIssuer": "cluster_issuer",
    "apiServers": "api_servers",
    "serviceImage": "service_image",
    "pipelineImage": "pipeline_image",
}
_DEFAULTS = Environment()
_PROJECT_KEYS = ("target", "project", "package", "tracking", "serving", "monitoring", "registry")
CONFIG_KEYS = frozenset(f"{PROGRAM}:{key}" for key in (*_PROJECT_KEYS, *_OPTIONAL))


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
    if environment.target == "kubernetes":
        values |= _for_a_cluster(spec, environment)
    for key, field in _OPTIONAL.items():
        if (value := getattr(environment, field)) != getattr(_DEFAULTS, field):
            values[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return {f"{PROGRAM}:{key}": value for key, value in values.items()}


def _for_a_cluster(spec: ProjectSpec, environment: Environment) -> dict[str, str]:
    """What only a cluster has to know of the project: which of its images run there, and where they are."""
    values = {"package": spec.package, "store": environment.store}
    if spec.choices.serving == "none":
        values["serving"] = "false"
    if not spec.choices.monitoring:
        values["monitoring"] = "false"
    if spec.project.registry:
        values["registry"] = spec.project.registry
    return values


def stack_file(spec: ProjectSpec, name: str) -> str:
    """The text of Pulumi.<stack>.yaml, as `seedbed new` writes it."""
    lines = [f"  {key}: {json.dumps(value)}" for key, value in stack_config(spec, name).items()]
    return "config:\n" + "\n".join(lines) + "\n"
