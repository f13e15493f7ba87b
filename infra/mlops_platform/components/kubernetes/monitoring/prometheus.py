"""Prometheus: what it may see, what it keeps, and how it comes to new rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes import accounts, availability, layout, pods, quantities, rights
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.monitoring import configuration, containers
from mlops_platform.components.kubernetes.monitoring.project import ProjectFiles
from mlops_platform.components.kubernetes.namespaces import Namespaces

COMPONENT = "prometheus"
PORT = layout.PORTS[COMPONENT]
_USER = 65534  # of its image
_FOLDER, _DATA = "/etc/prometheus", "/prometheus"
# Its write-ahead log and what it is just compacting come on top of the blocks that the limit is about; more than 80
# to 85 % of a volume is what its documentation advises against.
_SHARE_FOR_BLOCKS = 0.8
_MEBIBYTE = 2**20
_START_SECONDS = 900  # it reads its write-ahead log first
_STOP_SECONDS = 120


class Prometheus(pulumi.ComponentResource):
    """Prometheus with the project's rules, on a volume of its own.

    It sees the pods of the environment's namespaces, and nothing else of the cluster. When configuration or rules
    change, new pods replace the old ones: what they had stored stays.

    Args:
        name: Pulumi name.
        cluster: where.
        namespaces: of the environment.
        files: the project's.
        monitors: those forms of the project's monitor that are there.
        opts: Pulumi options.

    Attributes:
        url: of its API, inside the cluster.

    Raises:
        PlatformError: the project's configuration holds what can't be used in a cluster.
    """

    url: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        cluster: Cluster,
        namespaces: Namespaces,
        files: ProjectFiles,
        monitors: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:kubernetes:Prometheus", name, None, opts)
        self._cluster = cluster
        self._namespace = namespaces.of(layout.MONITORING)
        self.url = pulumi.Output.concat("http://prometheus.", self._namespace, f".svc:{PORT}")
        configured = configuration.prometheus(files, cluster, monitors)
        settings = kubernetes.core.v1.Secret(
            COMPONENT,
            metadata=self._metadata(),
            # A Secret, for a project's file may hold the password of a remote that it writes to.
            string_data=pulumi.Output.secret({"prometheus.yml": configured}),
            opts=cluster.child(self),
        )
        data, items = containers.files(files.rules)
        rules = kubernetes.core.v1.ConfigMap(
            "prometheus-rules",
            metadata=self._metadata("prometheus-rules"),
            data=data,
            opts=cluster.child(self),
        )
        allowed = self._rights(namespaces)
        kubernetes.core.v1.Service(
            COMPONENT,
            metadata=self._metadata(awaited=False),
            # Each replica scrapes for itself: a client that went from one to the other would see graphs that jump.
            spec=containers.service(cluster, COMPONENT, PORT, session_affinity="ClientIP"),
            opts=cluster.child(self),
        )
        volumes = [
            {
                "name": "configuration",
                "projected": {
                    "sources": [
                        {"secret": {"name": COMPONENT}},
                        {
                            "config_map": {
                                "name": "prometheus-rules",
                                "items": [
                                    {**item, "path": f"{configuration.RULES_FOLDER}/{item['path']}"} for item in items
                                ],
                            }
                        },
                    ]
                },
            }
        ]
        workload = cluster.workload(COMPONENT)
        kubernetes.apps.v1.StatefulSet(
            COMPONENT,
            metadata=self._metadata(),
            spec={
                "service_name": COMPONENT,
                "replicas": workload.replicas,
                "pod_management_policy": "Parallel",
                "selector": {"match_labels": cluster.selector(COMPONENT)},
                "template": {
                    "metadata": cluster.metadata(
                        COMPONENT, COMPONENT, annotations=containers.content(configured, files.rules)
                    ),
                    "spec": self._pod(volumes),
                },
                "volume_claim_templates": [containers.claim(cluster, COMPONENT, "data")],
            },
            opts=cluster.child(self, depends_on=[settings, rules, *allowed]),
        )
        availability.disruption_budget(self, cluster=cluster, namespace=self._namespace, component=COMPONENT)
        self.register_outputs({"url": self.url})

    def _metadata(self, name: str = COMPONENT, *, awaited: bool = True) -> dict[str, Any]:
        return self._cluster.metadata(name, COMPONENT, namespace=self._namespace, awaited=awaited)

    def _rights(self, namespaces: Namespaces) -> list[pulumi.Resource]:
        """An account that may list pods, in each of the environment's namespaces."""
        cluster = self._cluster
        account = accounts.declare(self, cluster=cluster, component=COMPONENT, namespace=self._namespace)
        made: list[pulumi.Resource] = []
        for purpose in layout.purposes(cluster.settings):
            title = f"{COMPONENT}-{purpose or 'platform'}"
            metadata = cluster.metadata(COMPONENT, COMPONENT, namespace=namespaces.of(purpose))
            role = kubernetes.rbac.v1.Role(
                title,
                metadata=metadata,
                rules=rights.SCRAPE,
                opts=cluster.child(self),
            )
            binding = kubernetes.rbac.v1.RoleBinding(
                title,
                metadata=metadata,
                role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": COMPONENT},
                subjects=[{"kind": "ServiceAccount", "name": account, "namespace": self._namespace}],
                opts=cluster.child(self, depends_on=[role]),
            )
            made.append(binding)
        return made

    def _pod(self, volumes: list[dict[str, Any]]) -> dict[str, Any]:
        cluster = self._cluster
        workload = cluster.workload(COMPONENT)
        blocks = int(quantities.size(workload.storage) * _SHARE_FOR_BLOCKS) // _MEBIBYTE
        return {
            "service_account_name": COMPONENT,
            **containers.POD,
            "automount_service_account_token": True,  # with which it lists the pods
            "security_context": pods.security(_USER),
            "topology_spread_constraints": availability.spread(cluster, COMPONENT),
            "termination_grace_period_seconds": _STOP_SECONDS,
            "containers": [
                {
                    "name": COMPONENT,
                    "image": cluster.image(COMPONENT),
                    "args": [
                        f"--config.file={_FOLDER}/prometheus.yml",
                        f"--storage.tsdb.path={_DATA}",
                        f"--storage.tsdb.retention.size={blocks}MB",  # its MB are 2^20 bytes
                        pulumi.Output.concat("--web.external-url=", self.url),
                    ],
                    "ports": [{"name": "http", "container_port": PORT}],
                    "security_context": pods.CONTAINER_SECURITY,
                    "resources": pods.resources(workload),
                    "volume_mounts": [
                        {"name": "configuration", "mount_path": _FOLDER, "read_only": True},
                        {"name": "data", "mount_path": _DATA},
                    ],
                    **containers.probes("/-/ready", "/-/healthy", start_seconds=_START_SECONDS),
                }
            ],
            "volumes": volumes,
        }
