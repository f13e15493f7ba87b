"""In which order Kubeflow's objects are made; they are removed in the reverse."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto

from mlops_platform.components.kubernetes.kubeflow.manifests import Object

_DEFINITION = "CustomResourceDefinition"
_WORKLOADS = {"CronJob", "DaemonSet", "Deployment", "Job", "Pod", "StatefulSet"}
# Of a volume that has data on it. For Pulumi, another size or class means another volume, and the end of this one.
LASTING = ["spec"]


class Stage(Enum):
    """What depends on what: each on all that stand before it."""

    NAMESPACE = auto()
    DEFINITIONS = auto()  # of custom resources; they go after the controllers, which would want them back
    CONFIGURATION = auto()
    WORKLOADS = auto()
    INSTANCES = auto()  # custom resources; they go while there is still somebody to clean up after them


def staged(objects: Iterable[Object]) -> dict[Stage, list[Object]]:
    """The objects of each stage, in the order of the stages."""
    everything = list(objects)
    groups = {found["spec"]["group"] for found in everything if found["kind"] == _DEFINITION}
    found_in: dict[Stage, list[Object]] = {stage: [] for stage in Stage}
    for found in everything:
        found_in[_stage(found, groups)].append(found)
    return found_in


def _stage(found: Object, groups: set[str]) -> Stage:
    if found["kind"] == "Namespace":
        return Stage.NAMESPACE
    if found["kind"] == _DEFINITION:
        return Stage.DEFINITIONS
    if found["kind"] in _WORKLOADS:
        return Stage.WORKLOADS
    return Stage.INSTANCES if found["apiVersion"].partition("/")[0] in groups else Stage.CONFIGURATION


def token(found: Object) -> str:
    """The Pulumi type of an object."""
    version = found["apiVersion"]
    return f"kubernetes:{version if '/' in version else f'core/{version}'}:{found['kind']}"
