"""PostgreSQL in the cluster: one server with a volume of its own, for the tracking server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes import accounts, images, layout, pods, quantities
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.resources.lasting_choice import LastingChoice
from mlops_platform.resources.password import Password

COMPONENT = "database"
PORT = layout.PORTS[COMPONENT]
USER = DATABASE = "mlflow"
# A password for each account: the key in the Secret is the file that the container reads.
SUPERUSER_KEY, TRACKING_KEY = "superuser", "tracking"
_SECRETS = "/etc/database"
_VOLUME = "/var/lib/postgresql/data"
# `postgres` in the image that is built on Alpine. The server starts under no number that has no name.
_POSTGRES = 70
_MEBIBYTE = 2**20
# Time for the first start, which makes the files, and for replaying the log after a crash. Stopping writes all of
# the memory back, and ends before that.
_START_SECONDS, _STOP_SECONDS = 300, 120


class Database(pulumi.ComponentResource):
    """The database of an environment's MLflow server.

    Its volume keeps the size and the class that it was made with: Kubernetes lets nobody change a StatefulSet's claims,
    and making it anew would not change the volume. Enlarge the claim `data-database-0` itself.

    Args:
        name: Pulumi name.
        cluster: where.
        namespace: that it is put into.
        opts: Pulumi options.

    Attributes:
        address: URL of the database, with the user and without the password.
        secret: name of the Secret whose `TRACKING_KEY` is that user's password.
    """

    address: pulumi.Output[str]
    secret: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        cluster: Cluster,
        namespace: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:kubernetes:Database", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        # A new major version refuses the files of the one before, and would do so only once the old server is gone.
        version = LastingChoice(
            "database-version",
            subject="major version of the database",
            value=_major_version(),
            keys="the image of PostgreSQL in infra/",
            opts=child,
        )
        superuser = Password("database-superuser", opts=child)
        tracking = Password("database-tracking", opts=child)
        account = accounts.declare(self, cluster=cluster, component=COMPONENT, namespace=namespace)
        secret = kubernetes.core.v1.Secret(
            "database",
            metadata=cluster.metadata(COMPONENT, COMPONENT, namespace=namespace),
            string_data={SUPERUSER_KEY: superuser.value, TRACKING_KEY: tracking.value},
            opts=cluster.child(self),
        )
        first_start = kubernetes.core.v1.ConfigMap(
            "database",
            metadata=cluster.metadata(COMPONENT, COMPONENT, namespace=namespace),
            data={"tracking.sql": Path(__file__).with_name("database.sql").read_text(encoding="utf-8")},
            opts=cluster.child(self),
        )
        service = kubernetes.core.v1.Service(
            "database",
            metadata=cluster.metadata(COMPONENT, COMPONENT, namespace=namespace, awaited=False),
            spec={
                "selector": cluster.selector(COMPONENT),
                "ports": [{"name": "postgres", "port": PORT, "target_port": "postgres"}],
            },
            opts=cluster.child(self),
        )
        server = kubernetes.apps.v1.StatefulSet(
            "database",
            metadata=cluster.metadata(COMPONENT, COMPONENT, namespace=namespace),
            spec=_stateful_set(cluster, account),
            opts=cluster.child(
                self, depends_on=[version, secret, first_start], ignore_changes=["spec.volumeClaimTemplates"]
            ),
        )
        host = pulumi.Output.concat(COMPONENT, ".", namespace, ".svc")
        # Whoever has the address waits for the server.
        self.address = pulumi.Output.all(host, server.id, service.id).apply(
            lambda made: f"postgresql://{USER}@{made[0]}:{PORT}/{DATABASE}"
        )
        self.secret = secret.metadata["name"]
        self.register_outputs({"address": self.address})


def _major_version() -> str:
    (found,) = re.findall(r"postgres:(\d+)", images.IMAGES["postgres"])
    return str(found)


def _stateful_set(cluster: Cluster, account: pulumi.Output[str]) -> dict[str, Any]:
    return {
        "service_name": COMPONENT,
        "replicas": 1,
        "selector": {"match_labels": cluster.selector(COMPONENT)},
        "template": {"metadata": {"labels": cluster.labels(COMPONENT)}, "spec": _pod(cluster, account)},
        "volume_claim_templates": [{"metadata": cluster.metadata("data", COMPONENT), "spec": cluster.claim(COMPONENT)}],
    }


def _pod(cluster: Cluster, account: pulumi.Output[str]) -> dict[str, Any]:
    scratch = [pods.scratch("socket", "/var/run/postgresql"), pods.scratch("tmp", "/tmp")]  # noqa: S108 - its own
    return {
        "service_account_name": account,
        "automount_service_account_token": False,
        "enable_service_links": False,
        "security_context": pods.security(_POSTGRES),
        # The image says SIGINT: sessions are ended, not waited for.
        "termination_grace_period_seconds": _STOP_SECONDS,
        "containers": [_container(cluster, [mount for _, mount in scratch])],
        "volumes": [
            {"name": "secrets", "secret": {"secret_name": COMPONENT, "default_mode": 0o440}},
            {"name": "first-start", "config_map": {"name": COMPONENT}},
            *(volume for volume, _ in scratch),
        ],
    }


def _container(cluster: Cluster, mounts: list[dict[str, Any]]) -> dict[str, Any]:
    workload = cluster.workload(COMPONENT)
    # By TCP: while it prepares the volume, the image runs a server that listens on a socket only.
    ready = ["pg_isready", "--host=127.0.0.1", f"--port={PORT}", f"--username={USER}", f"--dbname={DATABASE}"]
    return {
        "name": COMPONENT,
        "image": cluster.image("postgres"),
        "args": [
            "postgres",
            "-c", f"shared_buffers={quantities.size(workload.memory) // 4 // _MEBIBYTE}MB",
            "-c", "jit=off",  # compiling a query costs each connection more memory than a small pod has
            "-c", "max_parallel_workers_per_gather=0",  # they share memory of which a container has 64 MiB
        ],
        "env": [
            # Below the volume's root, which on many kinds of disk has a folder of its own already.
            {"name": "PGDATA", "value": f"{_VOLUME}/pgdata"},
            {"name": "POSTGRES_PASSWORD_FILE", "value": f"{_SECRETS}/{SUPERUSER_KEY}"},
            # The default trusts every connection from inside the pod, and a port-forward is one.
            {"name": "POSTGRES_INITDB_ARGS", "value": "--auth=scram-sha-256 --data-checksums"},
        ],
        "ports": [{"name": "postgres", "container_port": PORT}],
        "startup_probe": {"exec_": {"command": ready}, "period_seconds": 5, "failure_threshold": _START_SECONDS // 5},
        "readiness_probe": {"exec_": {"command": ready}, "period_seconds": 10, "timeout_seconds": 5},
        # A server that refuses connections while it recovers is alive.
        "liveness_probe": {"tcp_socket": {"port": "postgres"}, "period_seconds": 20, "failure_threshold": 6},
        "resources": pods.resources(workload),
        "security_context": pods.CONTAINER_SECURITY,
        "volume_mounts": [
            {"name": "data", "mount_path": _VOLUME},
            {"name": "secrets", "mount_path": _SECRETS, "read_only": True},
            {"name": "first-start", "mount_path": "/docker-entrypoint-initdb.d", "read_only": True},
            *mounts,
        ],
    }  # fmt: skip
