"""The model service in the cluster, which follows the registry's champion by itself."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes import accounts, availability, layout, pods, store_access
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.store_access import KeyedStore, StoreAccess

COMPONENT = "service"
PORT = layout.PORTS[COMPONENT]
# Below the artifact bucket's root: the prefix that the store's user for the service may write to, and that drift is
# looked for in.
PREDICTIONS = "predictions"
# While the store is away, the service keeps this many files of 16 MiB of each of its two logs, and then the newest.
_LOG_FILES, _LOG_FILE_MEBIBYTES, _LOGS = 16, 16, 2
_SPOOL = f"{(_LOG_FILES + 1) * _LOG_FILE_MEBIBYTES * _LOGS}Mi"
# Models on their way in; one that doesn't fit is too big for the memory too.
_TEMPORARY = "2Gi"
_START_SECONDS = 120
# The addresses of a pod that stops leave all lists within a few seconds, and until then it answers new requests too.
_LEAVE_SECONDS = 5
# Then requests in flight have 20 s, two logs 10 s each, their upload 20 s, and the registry's client 2 s.
_STOP_SECONDS = _LEAVE_SECONDS + 20 + 2 * 10 + 20 + 2 + 3
_CPU_PERCENT = 75


class ModelService(pulumi.ComponentResource):
    """The deployment of a project's own image.

    Whoever releases a new image says so to the cluster: `kubectl set image deployment/service service=IMAGE`. `up`
    makes the Deployment with the image of the settings and leaves the image alone from then on. How many pods there are
    is the autoscaler's affair, which needs the cluster's metrics API; without it, the fewest that it may have.

    Args:
        name: Pulumi name.
        cluster: where. Its settings name the image.
        namespace: that it is put into.
        store: where predictions are logged.
        tracking_url: of the MLflow server with the models; None: they are in the store.
        pull_secret: name of the Secret with which nodes pull the image; None: they need none.
        opts: Pulumi options.
    """

    def __init__(
        self,
        name: str,
        *,
        cluster: Cluster,
        namespace: pulumi.Input[str],
        store: KeyedStore,
        tracking_url: pulumi.Input[str] | None,
        pull_secret: pulumi.Input[str] | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:kubernetes:ModelService", name, None, opts)
        workload = cluster.workload(COMPONENT)
        account = accounts.declare(self, cluster=cluster, component=COMPONENT, namespace=namespace)
        access = store_access.declare(
            self, cluster=cluster, namespace=namespace, component=COMPONENT, consumer=COMPONENT, store=store
        )
        kubernetes.core.v1.Service(
            "service",
            metadata=cluster.metadata(COMPONENT, COMPONENT, namespace=namespace, awaited=False),
            spec={
                "selector": cluster.selector(COMPONENT),
                "ports": [{"name": "http", "port": PORT, "target_port": "http"}],
            },
            opts=cluster.child(self),
        )
        container = _container(cluster, access, _variables(store, tracking_url))
        pod = {"service_account_name": account, **_pod(cluster, access, container)}
        if pull_secret is not None:
            pod["image_pull_secrets"] = [{"name": pull_secret}]
        # `up` doesn't wait for it: it is ready when a model is registered, and somebody has to train that first.
        deployment = kubernetes.apps.v1.Deployment(
            "service",
            metadata=cluster.metadata(COMPONENT, COMPONENT, namespace=namespace, awaited=False),
            spec={
                # No `replicas`: what an apply doesn't say, it doesn't take back from the autoscaler.
                "selector": {"match_labels": cluster.selector(COMPONENT)},
                "strategy": {"type": "RollingUpdate", "rolling_update": {"max_surge": 1, "max_unavailable": 0}},
                "template": {
                    "metadata": {"labels": cluster.labels(COMPONENT), "annotations": access.annotations},
                    "spec": pod,
                },
            },
            # A field in a list is ignored by the engine alone: it applies the image that the state remembers, and where
            # another was released since, the API server refuses that, and with it whatever else has changed. Never is a
            # release taken back. `seedbed up` brings the state up to date first, and so does `pulumi up --refresh`.
            opts=cluster.child(self, ignore_changes=["spec.template.spec.containers[0].image"]),
        )
        kubernetes.autoscaling.v2.HorizontalPodAutoscaler(
            "service",
            metadata=cluster.metadata(COMPONENT, COMPONENT, namespace=namespace),
            spec={
                "scale_target_ref": {
                    "api_version": "apps/v1",
                    "kind": "Deployment",
                    "name": deployment.metadata["name"],
                },
                "min_replicas": workload.replicas,
                "max_replicas": workload.most,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {
                            "name": "cpu",
                            "target": {"type": "Utilization", "average_utilization": _CPU_PERCENT},
                        },
                    }
                ],
            },
            opts=cluster.child(self),
        )
        availability.disruption_budget(self, cluster=cluster, namespace=namespace, component=COMPONENT)
        self.register_outputs({})


def prediction_log(artifact_bucket: pulumi.Input[str]) -> pulumi.Output[str]:
    """Where the service logs predictions and feedback, and where drift is looked for."""
    return pulumi.Output.concat("s3://", artifact_bucket, "/", PREDICTIONS)


def _variables(store: KeyedStore, tracking_url: pulumi.Input[str] | None) -> list[dict[str, Any]]:
    # Without MLflow the registry is a part of the bucket.
    registry = (
        ("ARTIFACT_BUCKET", store.artifact_bucket) if tracking_url is None else ("MLFLOW_TRACKING_URI", tracking_url)
    )
    values = {
        "PREDICTION_LOG": prediction_log(store.artifact_bucket),
        "LOG_SPOOL": "/data/spool",
        "LOG_FILES": str(_LOG_FILES),
        registry[0]: registry[1],
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "HOME": "/tmp",  # noqa: S108 - the container's own
    }
    return [{"name": name, "value": value} for name, value in values.items()]


def _container(cluster: Cluster, access: StoreAccess, variables: list[dict[str, Any]]) -> dict[str, Any]:
    alive = {"http_get": {"path": "/healthz", "port": "http"}, "timeout_seconds": 5}
    return {
        "name": COMPONENT,
        "image": cluster.options.service_image,
        "env": [*access.env, *variables],
        "ports": [{"name": "http", "container_port": PORT}],
        "startup_probe": {**alive, "period_seconds": 2, "failure_threshold": _START_SECONDS // 2},
        "liveness_probe": {**alive, "period_seconds": 10, "failure_threshold": 6},
        # Without a model it isn't ready, so a new version that can't load one never takes an old one's place.
        "readiness_probe": {
            "http_get": {"path": "/readyz", "port": "http"},
            "timeout_seconds": 5,
            "period_seconds": 5,
            "failure_threshold": 2,
        },
        "lifecycle": {"pre_stop": {"exec_": {"command": ["sleep", str(_LEAVE_SECONDS)]}}},
        "resources": pods.resources(cluster.workload(COMPONENT)),
        "security_context": pods.CONTAINER_SECURITY,
        "volume_mounts": [
            {"name": "data", "mount_path": "/data"},
            {"name": "tmp", "mount_path": "/tmp"},  # noqa: S108 - the container's own
            *access.mounts,
        ],
    }


def _pod(cluster: Cluster, access: StoreAccess, container: dict[str, Any]) -> dict[str, Any]:
    return {
        "automount_service_account_token": False,
        # A service called "service" would set variables that somebody's code may take for its own.
        "enable_service_links": False,
        "security_context": pods.security(),
        "termination_grace_period_seconds": _STOP_SECONDS,
        "topology_spread_constraints": availability.spread(cluster, COMPONENT),
        "containers": [container],
        "volumes": [
            {"name": "data", "empty_dir": {"size_limit": _SPOOL}},
            {"name": "tmp", "empty_dir": {"size_limit": _TEMPORARY}},
            *access.volumes,
        ],
    }
