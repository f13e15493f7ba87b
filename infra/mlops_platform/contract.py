"""What every target exports, so that a project never knows which one it runs on."""

from __future__ import annotations

from dataclasses import dataclass, fields

import pulumi

SECRETS = frozenset({"s3_access_key", "s3_secret_key", "registry_password", "kubeconfig"})


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """A stack's outputs; empty where the target has no such thing.

    Attributes:
        s3_endpoint: URL of the S3 API; empty on AWS itself.
        s3_region: region with which requests are signed.
        data_bucket: bucket of the versioned data.
        artifact_bucket: bucket of models and other artifacts.
        s3_access_key: key id; empty where an identity is used.
        s3_secret_key: the key's secret; empty where an identity is used.
        registry: host and path of the container registry.
        registry_username: its account; empty where it asks for none.
        registry_password: of that account.
        mlflow_tracking_uri: URL of the MLflow server.
        kfp_host: URL of Kubeflow Pipelines.
        pipeline_volume: claim of the volume that keeps data between its runs.
        namespace: Kubernetes namespace of the workloads.
        kubeconfig: how to reach the cluster.
        ci_role: identity that CI takes on.
        preview_role: identity that a pull request's CI takes on, which only reads.
        apply_role: identity that CI takes on to change the infrastructure.
        prometheus_url: URL of Prometheus.
        grafana_url: URL of Grafana.
        expires_at: end of the environment's lease, ISO 8601 in UTC.
    """

    s3_endpoint: pulumi.Input[str] = ""
    s3_region: pulumi.Input[str] = ""
    data_bucket: pulumi.Input[str] = ""
    artifact_bucket: pulumi.Input[str] = ""
    s3_access_key: pulumi.Input[str] = ""
    s3_secret_key: pulumi.Input[str] = ""
    registry: pulumi.Input[str] = ""
    registry_username: pulumi.Input[str] = ""
    registry_password: pulumi.Input[str] = ""
    mlflow_tracking_uri: pulumi.Input[str] = ""
    kfp_host: pulumi.Input[str] = ""
    pipeline_volume: pulumi.Input[str] = ""
    namespace: pulumi.Input[str] = ""
    kubeconfig: pulumi.Input[str] = ""
    ci_role: pulumi.Input[str] = ""
    preview_role: pulumi.Input[str] = ""
    apply_role: pulumi.Input[str] = ""
    prometheus_url: pulumi.Input[str] = ""
    grafana_url: pulumi.Input[str] = ""
    expires_at: pulumi.Input[str] = ""


NAMES = tuple(field.name for field in fields(Outputs))


def export(outputs: Outputs) -> None:
    """Make them the outputs of this stack, secrets as secrets."""
    for name in NAMES:
        value = getattr(outputs, name)
        pulumi.export(name, pulumi.Output.secret(value) if name in SECRETS else value)
