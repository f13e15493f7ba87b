"""Alertmanager: whom it tells, what it remembers, and how several of them agree."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes import accounts, availability, layout, pods
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.layout import MESH_PORT
from mlops_platform.components.kubernetes.monitoring import configuration, containers, scraping
from mlops_platform.components.kubernetes.monitoring.project import ProjectFiles
from mlops_platform.components.kubernetes.monitoring.scraping import MESH

COMPONENT = "alertmanager"
PORT = layout.PORTS[COMPONENT]
# What the team's receivers need to know and no file of the project should say, such as the address of a chat's webhook:
# kubectl create secret generic alertmanager-receivers --from-file=slack=FILE, and `api_url_file: slack`.
RECEIVERS_SECRET = "alertmanager-receivers"  # noqa: S105 - a name
_USER = 65534  # of its image
_FOLDER, _DATA = "/etc/alertmanager", "/alertmanager"
_START_SECONDS = 120
# Which of its addresses the others reach; left alone it takes only a private one.
_ADDRESS = {"name": "POD_IP", "value_from": {"field_ref": {"field_path": "status.podIP"}}}


class Alertmanager(pulumi.ComponentResource):
    """Alertmanager with the project's routes and receivers.

    Files that its configuration names are looked for beside it, as in the project: `token` is there, and whatever the
    Secret `alertmanager-receivers` holds, which the team may make.

    Args:
        name: Pulumi name.
        cluster: where.
        namespace: its namespace.
        files: the project's.
        token: Secret whose key `token` says who may ask for a retraining.
        retrains: whether there is somebody to ask.
        opts: Pulumi options.

    Raises:
        PlatformError: the project's configuration tells somebody on the project's own machine.
    """

    def __init__(
        self,
        name: str,
        *,
        cluster: Cluster,
        namespace: pulumi.Input[str],
        files: ProjectFiles,
        token: kubernetes.core.v1.Secret,
        retrains: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:kubernetes:Alertmanager", name, None, opts)
        self._cluster = cluster
        self._namespace = namespace
        configured = configuration.alertmanager(files, cluster, retrains=retrains)
        settings = kubernetes.core.v1.Secret(
            COMPONENT,
            metadata=self._metadata(),
            # A Secret, for receivers are often addressed by URLs that are secrets.
            string_data=pulumi.Output.secret({"alertmanager.yml": configured}),
            opts=cluster.child(self),
        )
        kubernetes.core.v1.Service(
            COMPONENT,
            metadata=self._metadata(awaited=False),
            spec=containers.service(cluster, COMPONENT, PORT),
            opts=cluster.child(self),
        )
        kubernetes.core.v1.Service(
            MESH,
            metadata=self._metadata(MESH, awaited=False),
            # They must find each other before any of them is ready.
            spec=containers.service(cluster, COMPONENT, PORT, cluster_ip="None", publish_not_ready_addresses=True),
            opts=cluster.child(self),
        )
        account = accounts.declare(self, cluster=cluster, component=COMPONENT, namespace=namespace)
        selector = {"match_labels": cluster.selector(COMPONENT)}
        workload = cluster.workload(COMPONENT)
        kubernetes.apps.v1.StatefulSet(
            COMPONENT,
            metadata=self._metadata(),
            spec={
                "service_name": MESH,
                "replicas": workload.replicas,
                "pod_management_policy": "Parallel",
                "selector": selector,
                "template": {
                    "metadata": cluster.metadata(COMPONENT, COMPONENT, annotations=containers.content(configured)),
                    "spec": self._pod(account, token.metadata["name"]),
                },
                "volume_claim_templates": [containers.claim(cluster, COMPONENT, "data")],
            },
            opts=cluster.child(self, depends_on=[settings, token]),
        )
        availability.disruption_budget(self, cluster=cluster, namespace=namespace, component=COMPONENT)
        self.register_outputs({})

    def _metadata(self, name: str = COMPONENT, *, awaited: bool = True) -> dict[str, Any]:
        return self._cluster.metadata(name, COMPONENT, namespace=self._namespace, awaited=awaited)

    def _pod(self, account: pulumi.Output[str], token: pulumi.Input[str]) -> dict[str, Any]:
        cluster = self._cluster
        workload = cluster.workload(COMPONENT)
        several = workload.replicas > 1
        url = pulumi.Output.concat("http://alertmanager.", self._namespace, f".svc:{PORT}")
        ports = [{"name": "http", "container_port": PORT}]
        if several:
            ports += [
                {"name": f"mesh-{protocol.lower()}", "container_port": MESH_PORT, "protocol": protocol}
                for protocol in ("TCP", "UDP")
            ]
        return {
            "service_account_name": account,
            **containers.POD,
            "security_context": pods.security(_USER),
            "topology_spread_constraints": availability.spread(cluster, COMPONENT),
            "containers": [
                {
                    "name": COMPONENT,
                    "image": cluster.image(COMPONENT),
                    "args": [
                        f"--config.file={_FOLDER}/alertmanager.yml",
                        f"--storage.path={_DATA}",
                        pulumi.Output.concat("--web.external-url=", url),
                        *(self._mesh() if several else ["--cluster.listen-address="]),
                    ],
                    **({"env": [_ADDRESS]} if several else {}),
                    "ports": ports,
                    "security_context": pods.CONTAINER_SECURITY,
                    "resources": pods.resources(workload),
                    "volume_mounts": [
                        {"name": "configuration", "mount_path": _FOLDER, "read_only": True},
                        {"name": "data", "mount_path": _DATA},
                    ],
                    **containers.probes("/-/ready", "/-/healthy", start_seconds=_START_SECONDS),
                }
            ],
            "volumes": [
                {
                    "name": "configuration",
                    "projected": {
                        "sources": [
                            {"secret": {"name": RECEIVERS_SECRET, "optional": True}},
                            {"secret": {"name": COMPONENT}},
                            {"secret": {"name": token, "items": [{"key": "token", "path": "token"}]}},
                        ]
                    },
                }
            ],
        }

    def _mesh(self) -> list[str]:
        return [
            f"--cluster.listen-address=0.0.0.0:{MESH_PORT}",
            f"--cluster.advertise-address=$(POD_IP):{MESH_PORT}",
            *(f"--cluster.peer={peer}" for peer in scraping.alertmanagers(self._cluster, MESH_PORT)),
        ]
