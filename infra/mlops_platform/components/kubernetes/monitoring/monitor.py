"""The project's own monitor: it looks for drift, and has a new model trained when an alert asks for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes import accounts, layout, pods, service, store_access
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.kubeflow.runs import VOLUME
from mlops_platform.components.kubernetes.monitoring import containers, pipelines_identity
from mlops_platform.components.kubernetes.monitoring.pipelines_identity import Identity
from mlops_platform.components.kubernetes.store_access import KeyedStore

DRIFT, RETRAINING, REPORT = "drift", "retraining", "drift-report"
CONSUMER = "monitoring"  # of the store
_NAME_LABEL = "app.kubernetes.io/name"
_DATA, _TOKENS, _IDENTITY = "/data", "/etc/alerts", "/etc/pipelines"
_IDENTITY_SECRET = "pipelines-identity"  # noqa: S105 - a name
_START_SECONDS = 300  # on a busy node its libraries alone take half a minute
# Once a night, in a quiet hour. The exporter keeps what it finds when the verdict changes; this is kept in any case, so
# that somebody can look back at a day on which nothing did.
_REPORT_SCHEDULE, _REPORT_SECONDS = "23 4 * * *", 3600


class Monitor(pulumi.ComponentResource):
    """The monitor in its three forms, each with no more than it needs.

    `drift` compares the logged predictions with the champion's training data every minute, and Prometheus scrapes the
    result. It is no CronJob: a check that follows another one costs little, for most of it is known by then, and a
    metric must be there when it is asked for. `drift-report` is one: it keeps the report of each night. `retraining` is
    told of alerts, and submits the training pipeline; it has no keys of the store, and sees no model.

    Args:
        name: Pulumi name.
        cluster: where.
        namespace: its namespace.
        image: of the project's pipeline, in which the monitor is installed; a retraining is submitted with it.
        pull_secret: name of the Secret with which nodes pull the image; None: they need none.
        store: with the predictions and, without MLflow, the models.
        tracking_url: of the MLflow server; None without one.
        pipelines_host: of Kubeflow Pipelines; None without it, and then nothing is trained for an alert.
        token: Secret whose key `token` says who may ask for a retraining.
        opts: Pulumi options.

    Raises:
        PlatformError: Kubeflow Pipelines is elsewhere, and a file that says who we are to it can't be read.
    """

    def __init__(
        self,
        name: str,
        *,
        cluster: Cluster,
        namespace: pulumi.Input[str],
        image: str,
        pull_secret: pulumi.Input[str] | None,
        store: KeyedStore,
        tracking_url: pulumi.Input[str] | None,
        pipelines_host: pulumi.Input[str] | None,
        token: kubernetes.core.v1.Secret,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        elsewhere = pipelines_host is not None and bool(cluster.options.pipelines_host)
        identity = pipelines_identity.read() if elsewhere else Identity()
        super().__init__("mlops:kubernetes:Monitor", name, None, opts)
        self._cluster = cluster
        self._namespace = namespace
        self._image = image
        self._pull_secret = pull_secret
        self._watch_for_drift(store, tracking_url)
        if pipelines_host is not None:
            # In the Kubeflow that the environment has brought there is a volume for the data of all runs.
            self._retrain(pipelines_host, identity, token, volume="" if elsewhere else VOLUME)
        self.register_outputs({})

    def _watch_for_drift(self, store: KeyedStore, tracking_url: pulumi.Input[str] | None) -> None:
        access = store_access.declare(
            self, cluster=self._cluster, namespace=self._namespace, component=DRIFT, consumer=CONSUMER, store=store
        )
        variables: dict[str, pulumi.Input[str]] = {
            "PREDICTION_LOG": service.prediction_log(store.artifact_bucket),
            # Models come from there, and reports go there.
            **({"ARTIFACT_BUCKET": store.artifact_bucket} if tracking_url is None else {}),
            **({"MLFLOW_TRACKING_URI": tracking_url} if tracking_url is not None else {}),
        }
        env = [*access.env, *_env(variables)]
        account = self._account(DRIFT)
        port = layout.PORTS[DRIFT]
        serve = ["serve", "--host=0.0.0.0", f"--port={port}", f"--reports={_DATA}/reports"]
        exporter = {**self._container(DRIFT, serve, env, access.mounts), **_serving(DRIFT)}
        self._deployment(DRIFT, self._pod(account, exporter, access.volumes), access.annotations)
        check = ["check", "--publish", "--exit-zero", f"--reports={_DATA}/reports"]
        report = self._pod(account, self._container(DRIFT, check, env, access.mounts), access.volumes)
        self._nightly({**report, "restart_policy": "Never"}, access.annotations)

    def _retrain(
        self, pipelines_host: pulumi.Input[str], identity: Identity, token: kubernetes.core.v1.Secret, *, volume: str
    ) -> None:
        storage_class = self._cluster.options.storage_class
        known, volumes, mounts = self._known_as(identity)
        variables: dict[str, pulumi.Input[str]] = {
            "KFP_ENDPOINT": pipelines_host,
            **known,
            "PIPELINE_IMAGE": self._image,
            "ALERT_TOKEN_FILE": f"{_TOKENS}/token",
            **({"PIPELINE_VOLUME": volume} if volume else {}),
            **({"PIPELINE_STORAGE_CLASS": storage_class} if storage_class and not volume else {}),
        }
        volumes.append({"name": "alert-token", "secret": {"secret_name": token.metadata["name"]}})
        mounts.append({"name": "alert-token", "mount_path": _TOKENS, "read_only": True})
        port = layout.PORTS[RETRAINING]
        receive = ["receive", "--host=0.0.0.0", f"--port={port}", f"--state={_DATA}/retraining.json"]
        receiver = {**self._container(RETRAINING, receive, _env(variables), mounts), **_serving(RETRAINING)}
        self._deployment(RETRAINING, self._pod(self._account(RETRAINING), receiver, volumes), {})

    def _known_as(self, identity: Identity) -> tuple[dict[str, str], list[dict[str, Any]], list[dict[str, Any]]]:
        """What tells Kubeflow Pipelines who the receiver is: variables, volumes and mounts.

        By files, which follow their Secret without a new pod, and are read at each submission.
        """
        variables = {pipelines_identity.NAMESPACE_VARIABLE: identity.namespace} if identity.namespace else {}
        files = {
            name: (variable, content)
            for name, variable, content in (
                ("token", pipelines_identity.TOKEN_FILE_VARIABLE, identity.token),
                ("ca.crt", pipelines_identity.AUTHORITY_VARIABLE, identity.authority),
            )
            if content
        }
        if not files:
            return variables, [], []
        secret = kubernetes.core.v1.Secret(
            _IDENTITY_SECRET,
            metadata=self._cluster.metadata(_IDENTITY_SECRET, RETRAINING, namespace=self._namespace),
            string_data={name: pulumi.Output.secret(content) for name, (_, content) in files.items()},
            opts=self._cluster.child(self),
        )
        variables |= {variable: f"{_IDENTITY}/{name}" for name, (variable, _) in files.items()}
        volume = {"name": "pipelines-identity", "secret": {"secret_name": secret.metadata["name"]}}
        mount = {"name": "pipelines-identity", "mount_path": _IDENTITY, "read_only": True}
        return variables, [volume], [mount]

    def _container(
        self, component: str, arguments: list[str], env: Sequence[Any], mounts: Sequence[dict[str, Any]]
    ) -> dict[str, Any]:
        cluster = self._cluster
        home = {"HOME": "/tmp", "MLFLOW_DISABLE_TELEMETRY": "true"}  # noqa: S108 - of the container
        return {
            "name": component,
            "image": self._image,
            "command": ["python", "-m", f"{cluster.settings.package}.monitoring", *arguments],
            "env": [*env, *_env(home)],
            "security_context": pods.CONTAINER_SECURITY,
            "resources": pods.resources(cluster.workload(component)),
            "volume_mounts": [*(mount for _, mount in _SCRATCH), *mounts],
        }

    def _account(self, component: str) -> pulumi.Output[str]:
        return accounts.declare(self, cluster=self._cluster, component=component, namespace=self._namespace)

    def _pod(
        self, account: pulumi.Output[str], container: dict[str, Any], volumes: Sequence[dict[str, Any]]
    ) -> dict[str, Any]:
        pull = {} if self._pull_secret is None else {"image_pull_secrets": [{"name": self._pull_secret}]}
        return {
            "service_account_name": account,
            **containers.POD,
            "security_context": pods.security(),
            "containers": [container],
            "volumes": [*(volume for volume, _ in _SCRATCH), *volumes],
            **pull,
        }

    def _deployment(self, component: str, pod: dict[str, Any], annotations: dict[str, pulumi.Output[str]]) -> None:
        cluster = self._cluster
        # The nightly report's pods are of the same component, and nobody's server.
        labels = {_NAME_LABEL: component}
        selector = {**cluster.selector(component), **labels}
        kubernetes.core.v1.Service(
            component,
            metadata=cluster.metadata(component, component, namespace=self._namespace, awaited=False),
            spec={**containers.service(cluster, component, layout.PORTS[component]), "selector": selector},
            opts=cluster.child(self),
        )
        kubernetes.apps.v1.Deployment(
            component,
            metadata=cluster.metadata(component, component, namespace=self._namespace),
            spec={
                # Two would publish, or retrain for, the same thing twice.
                "replicas": 1,
                "strategy": {"type": "Recreate"},
                "selector": {"match_labels": selector},
                "template": {
                    "metadata": cluster.metadata(component, component, labels=labels, annotations=annotations),
                    "spec": pod,
                },
            },
            opts=cluster.child(self),
        )

    def _nightly(self, pod: dict[str, Any], annotations: dict[str, pulumi.Output[str]]) -> None:
        cluster = self._cluster
        labels = {_NAME_LABEL: REPORT}
        kubernetes.batch.v1.CronJob(
            REPORT,
            metadata=cluster.metadata(REPORT, DRIFT, namespace=self._namespace, labels=labels),
            spec={
                "schedule": _REPORT_SCHEDULE,
                "time_zone": "Etc/UTC",
                "concurrency_policy": "Forbid",
                "starting_deadline_seconds": _REPORT_SECONDS,
                "successful_jobs_history_limit": 1,
                "failed_jobs_history_limit": 3,
                "job_template": {
                    "metadata": cluster.metadata(REPORT, DRIFT, labels=labels),
                    "spec": {
                        "backoff_limit": 2,
                        "active_deadline_seconds": _REPORT_SECONDS,
                        "template": {
                            "metadata": cluster.metadata(REPORT, DRIFT, labels=labels, annotations=annotations),
                            "spec": pod,
                        },
                    },
                },
            },
            opts=cluster.child(self),
        )


def _serving(component: str) -> dict[str, Any]:
    return {
        "ports": [{"name": "http", "container_port": layout.PORTS[component]}],
        **containers.probes("/healthz", "/healthz", start_seconds=_START_SECONDS),
    }


def _env(variables: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in variables.items()]


# What the process may write to: its reports or what it remembers, and what its libraries want a home for.
_SCRATCH = (pods.scratch("data", _DATA), pods.scratch("tmp", "/tmp"))  # noqa: S108 - of the container
