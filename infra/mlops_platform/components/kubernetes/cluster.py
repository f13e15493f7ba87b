"""What every part of an environment on a cluster has to know: where it goes, what it is called, how big it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from mlops_platform.components.kubernetes import images, layout
from mlops_platform.components.kubernetes.sizes import Workload
from mlops_platform.names import namespace_name
from mlops_platform.settings import Settings
from mlops_platform.settings.kubernetes import KubernetesSettings

if TYPE_CHECKING:
    import pulumi_kubernetes as kubernetes

# Every object of an environment carries this label, also those that controllers make from a template of ours. It is
# what is looked for after `down`.
ENVIRONMENT_LABEL = "seedbed/environment"
COMPONENT_LABEL = "app.kubernetes.io/component"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The cluster of an environment, as its parts see it.

    Attributes:
        provider: with which resources are made; bound to the context that the settings name.
        settings: of the environment.
    """

    provider: kubernetes.Provider
    settings: Settings

    @property
    def options(self) -> KubernetesSettings:
        """The settings that only a cluster has."""
        assert self.settings.kubernetes is not None  # noqa: S101 - `settings.load` sets them for this target
        return self.settings.kubernetes

    @property
    def environment(self) -> str:
        """The value of `ENVIRONMENT_LABEL`: the project's slug, a dot, the stack's name; at most 61 characters."""
        return f"{self.settings.project}.{self.settings.stack}"

    def namespace(self, purpose: str = "") -> str:
        """The name of a namespace: "" is the platform's own, "serving" and "monitoring" are beside it."""
        return namespace_name(self.settings.project, self.settings.stack, purpose)

    def labels(self, component: str) -> dict[str, str]:
        """The labels of an object of this component."""
        return {**self.selector(component), "app.kubernetes.io/managed-by": "seedbed"}

    def selector(self, component: str) -> dict[str, str]:
        """The labels that tell a component's pods from all others."""
        return {COMPONENT_LABEL: component, ENVIRONMENT_LABEL: self.environment}

    def metadata(
        self,
        name: str,
        component: str,
        *,
        namespace: pulumi.Input[str] | None = None,
        annotations: Mapping[str, pulumi.Input[str]] | None = None,
        labels: Mapping[str, str] | None = None,
        awaited: bool = True,
    ) -> dict[str, Any]:
        """Metadata of an object: its own name, for Pulumi's random suffix would change what others call it by.

        Args:
            name: of the object.
            component: that it belongs to.
            namespace: that it is in, unless it is in none.
            annotations: of the object.
            labels: besides those that all objects have.
            awaited: whether `up` waits until it is ready. Not for a Service: it is ready when its pods are, which `up`
                waits for anyway, and the engine works on a few resources at a time: Services that wait for pods whose
                turn hasn't come would wait in vain.
        """
        found: dict[str, Any] = {"name": name, "labels": {**self.labels(component), **(labels or {})}}
        if namespace is not None:
            found["namespace"] = namespace
        notes = {**(annotations or {}), **({} if awaited else {"pulumi.com/skipAwait": "true"})}
        if notes:
            found["annotations"] = notes
        return found

    def workload(self, component: str) -> Workload:
        """How big a component is in the environment's size, with what the settings say of it in particular."""
        return layout.workload(self.settings, component)

    def claim(self, component: str) -> dict[str, Any]:
        """What each of a component's volumes is asked for: one node mounts it at a time, which every class offers."""
        claim: dict[str, Any] = {
            "access_modes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": self.workload(component).storage}},
        }
        if self.options.storage_class:
            claim["storage_class_name"] = self.options.storage_class
        return claim

    def image(self, name: str) -> str:
        """The reference of a pinned image, in the mirror where there is one."""
        return images.reference(name, self.options.image_mirror)

    def child(self, parent: pulumi.Resource, **options: Any) -> pulumi.ResourceOptions:
        """Options of a resource on this cluster that belongs to a component."""
        return pulumi.ResourceOptions(parent=parent, provider=self.provider, **options)
