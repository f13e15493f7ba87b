"""Grafana: the project's dashboards on the environment's Prometheus."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import yaml

from mlops_platform.components.kubernetes import accounts, ingress, layout, pods
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.monitoring import containers
from mlops_platform.components.kubernetes.monitoring.project import ProjectFiles
from mlops_platform.resources.password import Password

COMPONENT = "grafana"
PORT = layout.PORTS[COMPONENT]
ADMIN = "admin"
_USER = 472  # of its image
_SECRETS, _DATA = "/etc/grafana-secrets", "/var/lib/grafana"
_PROVISIONING, _DASHBOARDS = "/etc/grafana/provisioning", f"{_DATA}/dashboards"
_START_SECONDS = 300
_SETTINGS = {
    "GF_SECURITY_ADMIN_USER": ADMIN,
    "GF_SECURITY_ADMIN_PASSWORD__FILE": f"{_SECRETS}/admin-password",
    "GF_SECURITY_SECRET_KEY__FILE": f"{_SECRETS}/secret-key",  # the default is the same everywhere
    "GF_SECURITY_DISABLE_GRAVATAR": "true",
    "GF_USERS_ALLOW_SIGN_UP": "false",
    "GF_AUTH_ANONYMOUS_ENABLED": "false",
    "GF_ANALYTICS_REPORTING_ENABLED": "false",
    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
    "GF_NEWS_NEWS_FEED_ENABLED": "false",
    "GF_SNAPSHOTS_EXTERNAL_ENABLED": "false",
    "GF_METRICS_ENABLED": "false",  # nobody scrapes them, and they would be published with the rest
    "GF_PLUGINS_PLUGIN_ADMIN_ENABLED": "false",
    # Since version 13 Prometheus' data source lies beside Grafana instead of in it. At its start Grafana would replace
    # it by a newer one; where its folder is read-only that fails when the old one is unloaded already, and every
    # dashboard is without data (grafana/grafana#132528).
    "GF_PLUGINS_PREINSTALL_DISABLED": "true",
    "GF_LOG_MODE": "console",
}
# What else lies there in 13.2 (its pkg/setting/setting_plugins.go). Each data source is a process of 22 to 38 MiB from
# the start on, whether or not anybody asks it.
_BESIDE_IT = frozenset(
    {
        "elasticsearch", "grafana-postgresql-datasource", "grafana-pyroscope-datasource", "influxdb", "jaeger", "loki",
        "mssql", "mysql", "opentsdb", "stackdriver", "tempo", "zipkin",
        "grafana-advisor-app", "grafana-exploretraces-app", "grafana-lokiexplore-app", "grafana-metricsdrilldown-app",
        "grafana-pyroscope-app",
    }
)  # fmt: skip


class Grafana(pulumi.ComponentResource):
    """Grafana with the project's dashboards and data source, and an administrator's generated password.

    It keeps nothing itself: what is to stay is a file of the project. So it can be replaced at any time.

    Args:
        name: Pulumi name.
        cluster: where.
        namespace: its namespace.
        files: the project's.
        prometheus_url: what its data source asks.
        opts: Pulumi options.

    Attributes:
        url: of its pages, inside the cluster.
        password: of the user `admin`; a secret.
    """

    url: pulumi.Output[str]
    password: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        cluster: Cluster,
        namespace: pulumi.Input[str],
        files: ProjectFiles,
        prometheus_url: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:kubernetes:Grafana", name, None, opts)
        self._cluster = cluster
        self._namespace = namespace
        self.url = pulumi.Output.concat("http://grafana.", namespace, f".svc:{PORT}")
        own = pulumi.ResourceOptions(parent=self)
        self.password = Password("grafana-admin", opts=own).value
        secret = kubernetes.core.v1.Secret(
            COMPONENT,
            metadata=self._metadata(),
            string_data={"admin-password": self.password, "secret-key": Password("grafana-key", opts=own).value},
            opts=cluster.child(self),
        )
        folders = [
            self._folder("grafana-provisioning", files.provisioning),
            self._folder("grafana-dashboards", files.dashboards),
        ]
        kubernetes.core.v1.Service(
            COMPONENT,
            metadata=self._metadata(awaited=False),
            spec=containers.service(cluster, COMPONENT, PORT),
            opts=cluster.child(self),
        )
        account = accounts.declare(self, cluster=cluster, component=COMPONENT, namespace=namespace)
        annotations = containers.content(files.provisioning, files.dashboards)
        kubernetes.apps.v1.Deployment(
            COMPONENT,
            metadata=self._metadata(),
            spec={
                "replicas": cluster.workload(COMPONENT).replicas,
                "selector": {"match_labels": cluster.selector(COMPONENT)},
                "template": {
                    "metadata": cluster.metadata(COMPONENT, COMPONENT, annotations=annotations),
                    "spec": self._pod(account, files, prometheus_url),
                },
            },
            opts=cluster.child(self, depends_on=[secret, *folders]),
        )
        self.register_outputs({"url": self.url})

    def _metadata(self, name: str = COMPONENT, *, awaited: bool = True) -> dict[str, Any]:
        return self._cluster.metadata(name, COMPONENT, namespace=self._namespace, awaited=awaited)

    def _folder(self, name: str, documents: dict[str, str]) -> pulumi.Resource:
        data, _ = containers.files(documents)
        made: pulumi.Resource = kubernetes.core.v1.ConfigMap(
            name,
            metadata=self._metadata(name),
            data=data,
            opts=self._cluster.child(self),
        )
        return made

    def _pod(
        self, account: pulumi.Output[str], files: ProjectFiles, prometheus_url: pulumi.Input[str]
    ) -> dict[str, Any]:
        cluster = self._cluster
        data, data_mount = pods.scratch("data", _DATA)
        temporary, temporary_mount = pods.scratch("temporary", "/tmp")  # noqa: S108 - of the container
        variables: dict[str, pulumi.Input[str]] = {
            **_SETTINGS,
            **self._address(),
            "GF_PLUGINS_DISABLE_PLUGINS": ",".join(sorted(_BESIDE_IT - _wanted(files))),
            "PROMETHEUS_URL": prometheus_url,
        }
        return {
            "service_account_name": account,
            **containers.POD,
            "security_context": pods.security(_USER),
            "containers": [
                {
                    "name": COMPONENT,
                    "image": cluster.image(COMPONENT),
                    "env": [{"name": name, "value": value} for name, value in variables.items()],
                    "ports": [{"name": "http", "container_port": PORT}],
                    "security_context": pods.CONTAINER_SECURITY,
                    "resources": pods.resources(cluster.workload(COMPONENT)),
                    "volume_mounts": [
                        data_mount,
                        temporary_mount,
                        {"name": "secrets", "mount_path": _SECRETS, "read_only": True},
                        # One by one: beside them are folders of the image that Grafana looks for.
                        *(
                            {
                                "name": "provisioning",
                                "mount_path": f"{_PROVISIONING}/{folder}",
                                "sub_path": folder,
                                "read_only": True,
                            }
                            for folder in sorted({path.partition("/")[0] for path in files.provisioning})
                        ),
                        {"name": "dashboards", "mount_path": _DASHBOARDS, "read_only": True},
                    ],
                    **containers.probes("/api/health", "/api/health", start_seconds=_START_SECONDS),
                }
            ],
            "volumes": [
                data,
                temporary,
                {"name": "secrets", "secret": {"secret_name": COMPONENT}},
                _mounted("provisioning", files.provisioning),
                _mounted("dashboards", files.dashboards),
            ],
        }

    def _address(self) -> dict[str, str]:
        """How people reach it, where it is published: without that its links lead nowhere."""
        address = ingress.url(self._cluster.settings, ingress.GRAFANA)
        return {"GF_SERVER_ROOT_URL": f"{address}/", "GF_SECURITY_COOKIE_SECURE": "true"} if address else {}


def _wanted(files: ProjectFiles) -> set[str]:
    """The plugins that the project's provisioning names."""
    documents = [yaml.safe_load(text) or {} for text in files.provisioning.values()]
    return {
        str(entry.get("type"))
        for document in documents
        for key in ("datasources", "apps")
        for entry in document.get(key) or []
    }


def _mounted(name: str, documents: dict[str, str]) -> dict[str, Any]:
    _, items = containers.files(documents)
    return {"name": name, "config_map": {"name": f"grafana-{name}", "items": items}}
