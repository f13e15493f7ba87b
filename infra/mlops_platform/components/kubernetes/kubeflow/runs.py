"""What the pods of a pipeline's run find in Kubeflow's namespace: variables, images, a volume for data."""

from __future__ import annotations

from typing import Protocol

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.kubeflow.stages import LASTING
from mlops_platform.components.kubernetes.kubeflow.store import Store
from mlops_platform.components.kubernetes.kubeflow.wiring import PULL_SECRET

# The pipeline that a project is generated with looks for its variables here.
VARIABLES = "seedbed-environment"
# The claim to name in PIPELINE_VOLUME.
VOLUME = "pipeline-data"
_COMPONENT = "pipelines"


class Registry(Protocol):
    """The environment's container registry, as runs use it."""

    def pull_secret(self, namespace: pulumi.Input[str], name: str) -> object:
        """Declare the secret with which images are pulled."""


class Runs(pulumi.ComponentResource):
    """The secret `seedbed-environment`, the secret with which steps' images are pulled, and a lasting volume.

    Args:
        name: Pulumi name.
        cluster: where.
        namespace: Kubeflow's.
        store: where data and artifacts are; runs have a user of their own there.
        registry: where the steps' images are.
        tracking_url: URL of the MLflow server inside the cluster; empty: there is none.
        opts: Pulumi options.
    """

    def __init__(
        self,
        name: str,
        *,
        cluster: Cluster,
        namespace: pulumi.Input[str],
        store: Store,
        registry: Registry,
        tracking_url: pulumi.Input[str] = "",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:kubernetes:Runs", name, None, opts)
        child = cluster.child(self)
        access_key, secret_key = store.keys("pipelines") or ("", "")
        variables = {
            "AWS_ENDPOINT_URL": store.endpoint,
            "AWS_ACCESS_KEY_ID": access_key,
            "AWS_SECRET_ACCESS_KEY": secret_key,
            "AWS_DEFAULT_REGION": store.region,
            "DATA_BUCKET": store.data_bucket,
            "ARTIFACT_BUCKET": store.artifact_bucket,
            "MLFLOW_TRACKING_URI": tracking_url,
        }
        kubernetes.core.v1.Secret(
            VARIABLES,
            metadata=cluster.metadata(VARIABLES, _COMPONENT, namespace=namespace),
            # An empty variable is not the same as none: boto3 would take "" for an endpoint.
            string_data=pulumi.Output.all(**variables).apply(
                lambda values: {key: value for key, value in values.items() if value}
            ),
            opts=child,
        )
        registry.pull_secret(namespace, PULL_SECRET)
        # One node at a time is enough: a run's steps follow one another.
        kubernetes.core.v1.PersistentVolumeClaim(
            VOLUME,
            metadata=cluster.metadata(VOLUME, _COMPONENT, namespace=namespace),
            spec=cluster.claim("pipelines"),
            opts=cluster.child(self, ignore_changes=LASTING),
        )
        self.register_outputs({})
