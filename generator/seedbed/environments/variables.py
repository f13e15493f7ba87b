"""Stack outputs under the names that the tools themselves read."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

# Output of the contract → the variables that carry it. An empty output sets nothing: on AWS, for example, no endpoint
# means the real S3, and no key means an identity.
VARIABLES: dict[str, tuple[str, ...]] = {
    "s3_endpoint": ("AWS_ENDPOINT_URL",),
    "s3_region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "s3_access_key": ("AWS_ACCESS_KEY_ID",),
    "s3_secret_key": ("AWS_SECRET_ACCESS_KEY",),
    "data_bucket": ("DATA_BUCKET",),
    "artifact_bucket": ("ARTIFACT_BUCKET",),
    "registry": ("REGISTRY",),
    "registry_username": ("REGISTRY_USERNAME",),
    "registry_password": ("REGISTRY_PASSWORD",),
    "mlflow_tracking_uri": ("MLFLOW_TRACKING_URI",),
    "kfp_host": ("KFP_ENDPOINT",),
    "pipeline_volume": ("PIPELINE_VOLUME",),
    "namespace": ("KUBE_NAMESPACE",),
    "kubeconfig": ("KUBECONFIG_CONTENT",),
    "ci_role": ("CI_ROLE_ARN",),
    "preview_role": ("CI_PREVIEW_ROLE_ARN",),
    "apply_role": ("CI_APPLY_ROLE_ARN",),
    "prometheus_url": ("PROMETHEUS_URL",),
    "grafana_url": ("GRAFANA_URL",),
    "expires_at": ("ENVIRONMENT_EXPIRES_AT",),
}


def from_outputs(outputs: Mapping[str, str]) -> dict[str, str]:
    """The variables for a stack's outputs; names that the contract doesn't know are left out."""
    return {
        variable: outputs[output]
        for output, variables in VARIABLES.items()
        if outputs.get(output)
        for variable in variables
    }


def lines(values: Mapping[str, str], style: str) -> Iterator[str]:
    """The variables as `export` lines for a shell, or as lines of a .env file."""
    for name, value in values.items():
        if style == "shell":
            yield f"export {name}={shlex.quote(value)}"
        else:
            escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("$", "\\$")
            yield (f'{name}="{escaped}"' if escaped != value or " " in value or "#" in value else f"{name}={value}")
