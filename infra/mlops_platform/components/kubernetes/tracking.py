"""Experiment tracking and the model registry in the cluster: MLflow on PostgreSQL, with artifacts in the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes import (
    accounts,
    availability,
    database,
    layout,
    pods,
    quantities,
    store_access,
)
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.database import Database
from mlops_platform.components.kubernetes.store_access import KeyedStore, StoreAccess
from mlops_platform.partitions import Partition

COMPONENT = "tracking"
PORT = layout.PORTS[COMPONENT]
# Below the bucket's root: the prefix that the store's user for tracking may write to.
ARTIFACTS = "mlflow"
# Measured with 3.17: 200 MiB for the parent, 280 for each worker; the rest is for requests.
_PARENT_BYTES = _WORKER_BYTES = 512 * 2**20
# An artifact on its way lies in a file here, whole; several may be on their way.
_TEMPORARY = "8Gi"
_START_SECONDS = 180


class Tracking(pulumi.ComponentResource):
    """The MLflow server of an environment, with its database.

    Only the server has the store's credentials: clients send and fetch artifacts through it. It asks nobody who they
    are, so it is never published: network policies say who may reach it, and people and CI come through the cluster's
    API server.

    Args:
        name: Pulumi name.
        cluster: where.
        namespace: that it is put into.
        store: where artifacts go.
        api_host: of the cluster's API server, with its port if its address has one; empty: it isn't known, as on EKS,
            which gives each server a name under one that is.
        opts: Pulumi options.

    Attributes:
        url: of the server, inside the cluster.
    """

    url: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        cluster: Cluster,
        namespace: pulumi.Input[str],
        store: KeyedStore,
        api_host: str = "",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:kubernetes:Tracking", name, None, opts)
        own = Database("database", cluster=cluster, namespace=namespace, opts=pulumi.ResourceOptions(parent=self))
        account = accounts.declare(self, cluster=cluster, component=COMPONENT, namespace=namespace)
        access = store_access.declare(
            self, cluster=cluster, namespace=namespace, component=COMPONENT, consumer=COMPONENT, store=store
        )
        service = kubernetes.core.v1.Service(
            "tracking",
            metadata=cluster.metadata(COMPONENT, COMPONENT, namespace=namespace, awaited=False),
            spec={
                "selector": cluster.selector(COMPONENT),
                "ports": [{"name": "http", "port": PORT, "target_port": "http"}],
            },
            opts=cluster.child(self),
        )
        artifacts = pulumi.Output.concat("s3://", store.artifact_bucket, "/", ARTIFACTS)
        server = kubernetes.apps.v1.Deployment(
            "tracking",
            metadata=cluster.metadata(COMPONENT, COMPONENT, namespace=namespace),
            spec={
                "replicas": cluster.workload(COMPONENT).replicas,
                "selector": {"match_labels": cluster.selector(COMPONENT)},
                "strategy": {"type": "RollingUpdate", "rolling_update": {"max_surge": 1, "max_unavailable": 0}},
                "template": {
                    "metadata": {"labels": cluster.labels(COMPONENT), "annotations": access.annotations},
                    "spec": {
                        "service_account_name": account,
                        **_pod(cluster, own, access, _server(cluster, own, namespace, artifacts, api_host)),
                    },
                },
            },
            opts=cluster.child(self),
        )
        availability.disruption_budget(self, cluster=cluster, namespace=namespace, component=COMPONENT)
        # Whoever has the address waits for the server.
        self.url = pulumi.Output.all(namespace, server.id, service.id).apply(
            lambda made: f"http://{COMPONENT}.{made[0]}.svc:{PORT}"
        )
        self.register_outputs({"url": self.url})


def _server(
    cluster: Cluster, own: Database, namespace: pulumi.Input[str], artifacts: pulumi.Output[str], api_host: str
) -> list[pulumi.Input[str]]:
    passed_on = api_host or _of_eks(cluster)
    spare = quantities.size(cluster.workload(COMPONENT).memory) - _PARENT_BYTES
    return [
        "server",
        "--host=0.0.0.0",
        f"--port={PORT}",
        # libpq takes the password from PGPASSWORD: a command line is read by anyone who may look at a pod.
        pulumi.Output.concat("--backend-store-uri=", own.address.apply(_for_sqlalchemy)),
        pulumi.Output.concat("--artifacts-destination=", artifacts),
        f"--workers={max(1, spare // _WORKER_BYTES)}",
        pulumi.Output.concat(
            "--allowed-hosts=", pulumi.Output.from_input(namespace).apply(lambda name: _allowed_hosts(name, passed_on))
        ),
    ]


def _for_sqlalchemy(address: str) -> str:
    return address.replace("postgresql://", "postgresql+psycopg2://", 1)


def _of_eks(cluster: Cluster) -> str:
    """What the names of EKS's API servers in the environment's region look like; empty elsewhere."""
    if cluster.settings.aws is None:
        return ""
    region = cluster.settings.aws.region
    return f"*.{region}.eks.{Partition.of(region).suffix}"


def _allowed_hosts(namespace: str, passed_on: str) -> str:
    # By any other name it is reached through a web page that points its own name here, from somebody's browser. Probes
    # ask for /health, which is exempt; people come through a port of their own machine. The API server passes requests
    # on with the name by which it was called itself.
    names = (
        COMPONENT,
        f"{COMPONENT}.{namespace}",
        f"{COMPONENT}.{namespace}.svc",
        f"{COMPONENT}.{namespace}.svc.cluster.local",
    )
    own = [*(f"{name}:{PORT}" for name in names), "127.0.0.1:*", "localhost:*"]
    return ",".join([*own, *([passed_on] if passed_on else [])])


def _pod(cluster: Cluster, own: Database, access: StoreAccess, arguments: list[pulumi.Input[str]]) -> dict[str, Any]:
    scratch, mount = {"name": "tmp", "empty_dir": {"size_limit": _TEMPORARY}}, {"name": "tmp", "mount_path": "/tmp"}  # noqa: S108 - its own
    common: dict[str, Any] = {
        "image": cluster.image("mlflow"),
        "resources": pods.resources(cluster.workload(COMPONENT)),
        "security_context": pods.CONTAINER_SECURITY,
    }
    password = {
        "name": "PGPASSWORD",
        "value_from": {"secret_key_ref": {"name": own.secret, "key": database.TRACKING_KEY}},
    }
    quiet = [{"name": "HOME", "value": "/tmp"}, {"name": "MLFLOW_DISABLE_TELEMETRY", "value": "true"}]  # noqa: S108 - as above
    probe = {"http_get": {"path": "/health", "port": "http"}, "timeout_seconds": 5}
    migration = Path(__file__).with_name("tracking_migration.py").read_text(encoding="utf-8")
    return {
        "automount_service_account_token": False,
        "enable_service_links": False,
        "security_context": pods.security(),
        "topology_spread_constraints": availability.spread(cluster, COMPONENT),
        "init_containers": [
            {
                **common,
                "name": "migration",
                "command": ["python", "-c", migration],
                "args": [own.address],
                "env": [password, *quiet],
                "volume_mounts": [mount],
            }
        ],
        "containers": [
            {
                **common,
                "name": COMPONENT,
                "command": ["mlflow"],
                "args": arguments,
                "env": [
                    password,
                    *access.env,
                    *quiet,
                    # Jobs are for evaluating language models, and would keep their queue in a file of one pod.
                    {"name": "MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "value": "false"},
                ],
                "ports": [{"name": "http", "container_port": PORT}],
                "startup_probe": {**probe, "period_seconds": 5, "failure_threshold": _START_SECONDS // 5},
                "readiness_probe": {**probe, "period_seconds": 10},
                "liveness_probe": {**probe, "period_seconds": 20, "failure_threshold": 6},
                # The address leaves the others' lists while the server still answers.
                "lifecycle": {"pre_stop": {"exec_": {"command": ["sleep", "5"]}}},
                "volume_mounts": [mount, *access.mounts],
            }
        ],
        "volumes": [scratch, *access.volumes],
    }
