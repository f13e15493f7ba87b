"""This machine: supervised processes on loopback, without a cluster, Docker or a cloud account."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pulumi

from mlops_platform.components.local import container_registry, external_store, minio, seaweedfs, tracking
from mlops_platform.components.local.container_registry import ContainerRegistry
from mlops_platform.components.local.external_store import ExternalStore
from mlops_platform.components.local.process_store import ProcessStore
from mlops_platform.components.local.tracking import Tracking
from mlops_platform.components.object_store import ObjectStore
from mlops_platform.contract import Outputs
from mlops_platform.names import bucket_name
from mlops_platform.resources.home import Home
from mlops_platform.settings import Settings

_SERVERS = {"seaweedfs": seaweedfs.server, "minio": minio.server}


def build(settings: Settings) -> Outputs:
    """Declare the store, its buckets, the tracking server if wanted and, where its program is installed, the registry.

    Raises:
        PlatformError: a program that the environment needs, or the keys of its store, are missing; then no resource
            is declared.
    """
    make_store = _store(settings)
    if settings.tracking:
        tracking.require()
    program = container_registry.find(settings.home)
    if program is None:
        pulumi.log.warn(
            "No container registry: neither docker-registry nor registry is on PATH."
            " With one of them installed (Debian: docker-registry), the next up adds it."
        )

    owner = f"{settings.project}/{settings.stack}"
    home = Home("home", path=str(settings.home), owner=owner, store=settings.store.kind)
    store = make_store(home=home.path)
    tracking_uri: pulumi.Input[str] = ""
    if settings.tracking:
        artifacts = pulumi.Output.concat("s3://", store.artifact_bucket, "/mlflow")
        server = Tracking("tracking", home=home.path, port=settings.mlflow_port, store=store, artifacts=artifacts)
        tracking_uri = server.url
    registry: pulumi.Input[str] = ""
    if program is not None:
        port = settings.registry_port
        registry = ContainerRegistry("container-registry", program=program, home=home.path, port=port).address
    return Outputs(
        s3_endpoint=store.endpoint,
        s3_region=store.region,
        data_bucket=store.data_bucket,
        artifact_bucket=store.artifact_bucket,
        s3_access_key=store.access_key,
        s3_secret_key=store.secret_key,
        registry=registry,
        mlflow_tracking_uri=tracking_uri,
    )


def _store(settings: Settings) -> Callable[..., ObjectStore]:
    """How to make the store, given its `home`; what it needs is looked for now."""
    data, artifacts = (bucket_name(settings.project, settings.stack, purpose) for purpose in ("data", "artifacts"))
    chosen = settings.store
    if chosen.kind == "s3":
        return partial(
            ExternalStore,
            "object-store",
            endpoint=chosen.endpoint,
            region=chosen.region,
            keys=external_store.read_keys(),
            data_bucket=chosen.data_bucket,
            artifact_bucket=chosen.artifact_bucket,
            default_names=(data, artifacts),
        )
    return partial(
        ProcessStore,
        "object-store",
        server=_SERVERS[chosen.kind](),
        port=chosen.port,
        data_bucket=data,
        artifact_bucket=artifacts,
    )
