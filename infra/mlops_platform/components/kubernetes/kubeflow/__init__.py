"""Kubeflow Pipelines on the cluster: its own manifests, wired to the environment."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes import layout
from mlops_platform.components.kubernetes.cluster import ENVIRONMENT_LABEL, Cluster
from mlops_platform.components.kubernetes.kubeflow import store as object_store
from mlops_platform.components.kubernetes.kubeflow.manifests import VERSION, Manifests, Object, read
from mlops_platform.components.kubernetes.kubeflow.stages import LASTING, Stage, staged, token
from mlops_platform.components.kubernetes.kubeflow.store import Place, Store
from mlops_platform.components.kubernetes.kubeflow.wiring import DATABASE_SECRET, Wiring, wire
from mlops_platform.resources.password import Password

__all__ = ["VERSION", "Kubeflow", "Manifests", "read"]

_COMPONENT = "pipelines"
_CONSUMER = "pipelines"
_Keys = tuple[pulumi.Output[str], pulumi.Output[str]]
# Its images are a gigabyte and more, and its parts wait for each other.
_TIMEOUTS = pulumi.CustomTimeouts(create="20m", update="20m", delete="15m")


class Kubeflow(pulumi.ComponentResource):
    """Kubeflow Pipelines in its own namespace, each object a resource of its own.

    They are made in this order and removed in the reverse: namespace, definitions of custom resources, configuration,
    workloads, custom resources.

    Args:
        name: Pulumi name.
        cluster: where.
        manifests: what `read` gave.
        store: where artifacts and the specifications of pipelines are kept.
        opts: Pulumi options.

    Attributes:
        namespace: where it runs, and with it all runs.
        host: URL of its API inside the cluster. It asks nobody who they are: network policies guard it.

    Raises:
        PlatformError: the manifests lack something that has to be set.
    """

    namespace: pulumi.Output[str]
    host: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        cluster: Cluster,
        manifests: Manifests,
        store: Store,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:kubernetes:Kubeflow", name, None, opts)
        self._cluster = cluster
        keys = store.keys(_CONSUMER)
        stages = staged(wire(manifests, _wiring(cluster, store, keys)))
        before = self._namespace(stages.pop(Stage.NAMESPACE))
        for stage, objects in stages.items():
            made = self._declare(objects, before)
            if stage is Stage.CONFIGURATION:
                made += self._secrets(store, keys, before)
            before = [*before, *made]
        self.host = pulumi.Output.concat("http://ml-pipeline.", self.namespace, f".svc:{layout.PIPELINES_PORT}")
        self.register_outputs({"namespace": self.namespace, "host": self.host})

    def _namespace(self, objects: Sequence[Object]) -> list[pulumi.Resource]:
        (found,) = objects
        metadata = found["metadata"]
        made = kubernetes.core.v1.Namespace(
            metadata["name"],
            metadata={key: metadata[key] for key in ("name", "labels", "annotations") if key in metadata},
            opts=self._cluster.child(self),
        )
        self.namespace = made.metadata["name"]
        return [made]

    def _declare(self, objects: Sequence[Object], before: Sequence[pulumi.Resource]) -> list[pulumi.Resource]:
        return [
            pulumi.CustomResource(
                token(found),
                found["metadata"]["name"],
                found,
                self._cluster.child(
                    self,
                    depends_on=before,
                    custom_timeouts=_TIMEOUTS,
                    ignore_changes=LASTING if found["kind"] == "PersistentVolumeClaim" else None,
                    additional_secret_outputs=["data", "stringData"] if found["kind"] == "Secret" else None,
                ),
            )
            for found in objects
        ]

    def _secrets(self, store: Store, keys: _Keys | None, before: Sequence[pulumi.Resource]) -> list[pulumi.Resource]:
        """The secrets that Kubeflow's own manifests have with passwords that everybody knows."""
        password = Password("pipelines-database", opts=pulumi.ResourceOptions(parent=self))
        secrets: dict[str, dict[str, pulumi.Input[str]]] = {
            # Kubeflow makes its three databases itself, as root.
            DATABASE_SECRET: {"username": "root", "password": password.value},
        }
        if keys is not None:
            secrets[object_store.KEYS_SECRET] = dict(
                zip((object_store.ACCESS_KEY, object_store.SECRET_KEY), keys, strict=True)
            )
        if store.authority is not None:
            secrets[object_store.AUTHORITY_SECRET] = {object_store.AUTHORITY_KEY: store.authority}
        return [
            kubernetes.core.v1.Secret(
                name,
                metadata=self._cluster.metadata(name, _COMPONENT, namespace=self.namespace),
                string_data=values,
                opts=self._cluster.child(self, depends_on=before),
            )
            for name, values in secrets.items()
        ]


def _wiring(cluster: Cluster, store: Store, keys: _Keys | None) -> Wiring:
    place = pulumi.Output.all(store.endpoint, store.artifact_bucket).apply(
        lambda values: Place.of(values[0], store.region, values[1])
    )

    def fill(text: Callable[[Place], str]) -> pulumi.Output[str]:
        return place.apply(text)

    return Wiring(
        labels={ENVIRONMENT_LABEL: cluster.environment},
        mirror=cluster.options.image_mirror,
        fill=fill,
        credentials=None if keys is None else _digest(keys),
        authority=store.authority is not None,
        storage_class=cluster.options.storage_class,
        database=cluster.workload("pipelines-database"),
    )


def _digest(keys: _Keys) -> pulumi.Output[str]:
    """Changes when the keys do. They have more than a hundred random bits: their digest tells nobody anything."""
    digest = pulumi.Output.all(*keys).apply(lambda pair: hashlib.sha256("\n".join(pair).encode()).hexdigest()[:16])
    return pulumi.Output.unsecret(digest)
