"""This machine: supervised processes on loopback, without a cluster, Docker or a cloud account."""

from __future__ import annotations

import pulumi

from mlops_platform.components.object_store import ObjectStore
from mlops_platform.components.tracking import Tracking
from mlops_platform.contract import Outputs
from mlops_platform.names import bucket_name
from mlops_platform.resources.home import Home
from mlops_platform.settings import Settings


def build(settings: Settings) -> Outputs:
    """Declare the store, its buckets and the tracking server.

    Raises:
        PlatformError: SeaweedFS or MLflow is not in the active Python environment.
    """
    home = Home("home", path=str(settings.home), owner=f"{settings.project}/{settings.stack}")
    store = ObjectStore(
        "object-store",
        home=home.path,
        port=settings.s3_port,
        data_bucket=bucket_name(settings.project, settings.stack, "data"),
        artifact_bucket=bucket_name(settings.project, settings.stack, "artifacts"),
    )
    tracking = Tracking(
        "tracking",
        home=home.path,
        port=settings.mlflow_port,
        store=store,
        artifacts=pulumi.Output.concat("s3://", store.artifact_bucket, "/mlflow"),
    )
    return Outputs(
        s3_endpoint=store.endpoint,
        s3_region=store.region,
        data_bucket=store.data_bucket,
        artifact_bucket=store.artifact_bucket,
        s3_access_key=store.access_key,
        s3_secret_key=store.secret_key,
        mlflow_tracking_uri=tracking.url,
    )
