"""A spec's environment as Pulumi stack configuration: the one place where spec keys meet configuration keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from seedbed.errors import SpecError
from seedbed.spec import Environment, ProjectSpec

PROGRAM = "mlops-platform"
# The key of the stack's configuration that says of which spec it was made; it is seedbed's, not the program's.
SPEC = "seedbed:spec"
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
    "account": "account",
    "region": "region",
    "variant": "variant",
    "privateEndpoint": "private_endpoint",
    "apiNetworks": "api_networks",
    "networkCidr": "network_cidr",
    "clusterAdmins": "cluster_admins",
    "certificate": "certificate",
    "kubernetesVersion": "kubernetes_version",
    "oidcProvider": "oidc_provider",
    "budget": "budget",
    "budgetEmail": "budget_email",
}
_DEFAULTS = Environment()
_PROJECT_KEYS = (
    "target", "project", "package", "tracking", "serving", "monitoring", "registry", "repository", "repositoryIds",
    "branch", "protect",
)  # fmt: skip
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
    if environment.target != "local":
        values |= _for_a_cluster(spec)
    if environment.target == "kubernetes":
        values["store"] = environment.store
        if spec.project.registry:
            values["registry"] = spec.project.registry
    if environment.target == "aws":
        values |= _for_aws(spec, environment)
    for key, field in _OPTIONAL.items():
        if key == "store" and environment.target == "aws":  # always S3
            continue
        if (value := getattr(environment, field)) != getattr(_DEFAULTS, field):
            values[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return {f"{PROGRAM}:{key}": value for key, value in values.items()}


def _for_a_cluster(spec: ProjectSpec) -> dict[str, str]:
    """What only a cluster has to know of the project: which of its images run there."""
    values = {"package": spec.package}
    if spec.choices.serving == "none":
        values["serving"] = "false"
    if not spec.choices.monitoring:
        values["monitoring"] = "false"
    return values


def _for_aws(spec: ProjectSpec, environment: Environment) -> dict[str, str]:
    """What only AWS has to know of the project: whose CI may do what there, and whether data is protected."""
    project = spec.project
    values = {"repository": project.repository, "repositoryIds": project.repository_ids, "branch": project.branch}
    if environment.protect:
        values["protect"] = "true"
    return {key: value for key, value in values.items() if value}


def spec_digest(raw: Mapping[str, Any], name: str) -> str:
    """Of which spec the configuration of a stack is made, in 16 hexadecimal digits.

    The program never reads the spec, so CI, which only runs the program, has no other way to see that a change of it
    hasn't come to the configuration. A project's ci/infrastructure.py makes the same of seedbed.toml.

    Args:
        raw: the content of seedbed.toml.
        name: the environment's.
    """
    counts = [raw.get("project"), raw.get("choices"), raw.get("environments", {}).get(name)]
    return hashlib.sha256(json.dumps(counts, sort_keys=True).encode()).hexdigest()[:16]


def stack_file(spec: ProjectSpec, name: str, raw: Mapping[str, Any]) -> str:
    """The text of Pulumi.<stack>.yaml, as `seedbed new` writes it.

    Args:
        spec: the project's.
        name: the environment's.
        raw: the content of the seedbed.toml that is written beside it.
    """
    values = {**stack_config(spec, name), SPEC: spec_digest(raw, name)}
    lines = [f"  {key}: {json.dumps(value)}" for key, value in values.items()]
    return "config:\n" + "\n".join(lines) + "\n"
