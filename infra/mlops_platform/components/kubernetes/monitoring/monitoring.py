"""All that watches an environment: its parts in one namespace, and how they know each other."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes import layout
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.monitoring.alertmanager import Alertmanager
from mlops_platform.components.kubernetes.monitoring.grafana import Grafana
from mlops_platform.components.kubernetes.monitoring.monitor import DRIFT, RETRAINING, Monitor
from mlops_platform.components.kubernetes.monitoring.project import ProjectFiles
from mlops_platform.components.kubernetes.monitoring.prometheus import Prometheus
from mlops_platform.components.kubernetes.namespaces import Namespaces
from mlops_platform.components.kubernetes.store_access import KeyedStore
from mlops_platform.resources.password import Password


class Monitoring(pulumi.ComponentResource):
    """Prometheus, Alertmanager, Grafana and, once there is an image for it, the project's monitor.

    Plain resources without an operator: nothing of it is outside the environment's namespaces.

    Args:
        name: Pulumi name.
        cluster: where.
        namespaces: of the environment.
        files: the project's rules, dashboards and receivers.
        image: of the project's pipeline, in which the monitor runs; empty: none is pushed yet, and nothing looks for
            drift.
        pull_secret: name of the Secret with which the image is pulled; None: no password is needed.
        store: with the logged predictions.
        tracking_url: of the MLflow server; None without one.
        pipelines_host: of Kubeflow Pipelines; None without it, and then nothing is trained for an alert.
        opts: Pulumi options.

    Attributes:
        prometheus_url: of Prometheus, inside the cluster.
        grafana_url: of Grafana, inside the cluster.
        grafana_password: of Grafana's user `admin`; a secret.

    Raises:
        PlatformError: the project's configuration holds what can't be used in a cluster.
    """

    prometheus_url: pulumi.Output[str]
    grafana_url: pulumi.Output[str]
    grafana_password: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        cluster: Cluster,
        namespaces: Namespaces,
        files: ProjectFiles,
        image: str,
        pull_secret: pulumi.Input[str] | None,
        store: KeyedStore,
        tracking_url: pulumi.Input[str] | None,
        pipelines_host: pulumi.Input[str] | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:kubernetes:Monitoring", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        namespace = namespaces.of(layout.MONITORING)
        retrains = bool(image) and pipelines_host is not None
        monitors = (*((DRIFT,) if image else ()), *((RETRAINING,) if retrains else ()))
        token = kubernetes.core.v1.Secret(
            "alert-token",
            metadata=cluster.metadata("alert-token", RETRAINING, namespace=namespace),
            string_data={"token": Password("alert-token", opts=own).value},
            opts=cluster.child(self),
        )
        prometheus = Prometheus(
            "prometheus", cluster=cluster, namespaces=namespaces, files=files, monitors=monitors, opts=own
        )
        Alertmanager(
            "alertmanager", cluster=cluster, namespace=namespace, files=files, token=token, retrains=retrains, opts=own
        )
        grafana = Grafana(
            "grafana", cluster=cluster, namespace=namespace, files=files, prometheus_url=prometheus.url, opts=own
        )
        if image:
            Monitor(
                "monitor",
                cluster=cluster,
                namespace=namespace,
                image=image,
                pull_secret=pull_secret,
                store=store,
                tracking_url=tracking_url,
                pipelines_host=pipelines_host,
                token=token,
                opts=own,
            )
        self.prometheus_url = prometheus.url
        self.grafana_url = grafana.url
        self.grafana_password = grafana.password
        self.register_outputs({"prometheus_url": self.prometheus_url, "grafana_url": self.grafana_url})
