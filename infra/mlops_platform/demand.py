"""What an environment will ask of a cluster, said before anything is made: `python -m mlops_platform.demand`.

Reads {"stack": NAME, "config": {KEY: VALUE}} from standard input and writes JSON. It needs neither Pulumi nor a
cluster, so that a check of the cluster can come first and take seconds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mlops_platform import settings as all_settings
from mlops_platform.components.kubernetes import layout, quantities, rights
from mlops_platform.errors import PlatformError
from mlops_platform.names import namespace_name
from mlops_platform.settings import Settings

# What `up` makes in its namespaces, on the cluster itself, and there for Kubeflow alone: API group → resources.
_NAMESPACED: dict[str, tuple[str, ...]] = {
    "": (
        "configmaps", "limitranges", "persistentvolumeclaims", "resourcequotas", "secrets",
        "serviceaccounts", "services",
    ),
    "apps": ("deployments", "statefulsets"),
    "autoscaling": ("horizontalpodautoscalers",),
    "batch": ("cronjobs", "jobs"),
    "networking.k8s.io": ("networkpolicies",),
    "policy": ("poddisruptionbudgets",),
    "rbac.authorization.k8s.io": ("rolebindings", "roles"),
}  # fmt: skip
_CLUSTER_WIDE: dict[str, tuple[str, ...]] = {"": ("namespaces",)}
_FOR_KUBEFLOW: dict[str, tuple[str, ...]] = {
    "apiextensions.k8s.io": ("customresourcedefinitions",),
    "rbac.authorization.k8s.io": ("clusterrolebindings", "clusterroles"),
    "scheduling.k8s.io": ("priorityclasses",),
}
# Kubeflow Pipelines 2.17 defines these, and a cluster can hold each only once.
_KUBEFLOW_DEFINITIONS = (
    "applications.app.k8s.io",
    "clusterworkflowtemplates.argoproj.io",
    "cronworkflows.argoproj.io",
    "scheduledworkflows.kubeflow.org",
    "viewers.kubeflow.org",
    "workflowartifactgctasks.argoproj.io",
    "workfloweventbindings.argoproj.io",
    "workflows.argoproj.io",
    "workflowtaskresults.argoproj.io",
    "workflowtasksets.argoproj.io",
    "workflowtemplates.argoproj.io",
)
_KUBEFLOW_PARTS = ("pipelines", "pipelines-database")


def demand(settings: Settings) -> dict[str, Any]:
    """The environment's namespaces, pods, volumes, ports, classes and the rights that making them takes.

    Returns:
        `workloads`: name, cpu, memory and storage of each pod of a kind, and how many at the start (or, with `spread`,
        of all its pods together); what runs only now and then is left out. `rights`: group, resource and whether it is
        in a namespace. `grants`: as `rights.granted` gives them. The rest is named as in the settings; an empty value
        means that nothing of that sort is needed.
    """
    options = settings.kubernetes
    assert options is not None  # noqa: S101 - `settings.load` sets them for this target
    kubeflow = options.pipelines == "install"
    present = {part.name for part in layout.parts(settings)}
    namespaced = {**_NAMESPACED}
    if options.domain:
        namespaced["networking.k8s.io"] = ("ingresses", "networkpolicies")
    cluster_wide: tuple[dict[str, tuple[str, ...]], ...] = (_CLUSTER_WIDE, *((_FOR_KUBEFLOW,) if kubeflow else ()))
    return {
        "namespaces": [namespace_name(settings.project, settings.stack, p) for p in layout.purposes(settings)],
        "kubeflow_namespace": layout.KUBEFLOW if kubeflow else "",
        "definitions": list(_KUBEFLOW_DEFINITIONS) if kubeflow else [],
        "workloads": _workloads(settings, kubeflow=kubeflow),
        "storage_class": options.storage_class,
        "node_port": options.registry_port if "registry" in present else 0,
        "ingress": bool(options.domain),
        "ingress_class": options.ingress_class,
        "cluster_issuer": options.cluster_issuer,
        "scales": settings.serving and bool(options.service_image),
        "rights": [
            *_rights(namespaced, namespaced=True),
            *(right for table in cluster_wide for right in _rights(table, namespaced=False)),
        ],
        "grants": rights.granted(settings),
    }


def _workloads(settings: Settings, *, kubeflow: bool) -> list[dict[str, Any]]:
    options = settings.kubernetes
    assert options is not None  # noqa: S101 - as above
    # A set-up job runs for a moment, and before most of the others; the others run once there is an image for them.
    waiting = {"setup"}
    if not options.service_image:
        waiting.add("service")
    if not options.pipeline_image:
        waiting |= {"drift", "retraining"}
    names = [part.name for part in layout.parts(settings) if part.name not in waiting]
    return [_workload(settings, name) for name in (*names, *(_KUBEFLOW_PARTS if kubeflow else ()))]


def _workload(settings: Settings, name: str) -> dict[str, Any]:
    size = layout.workload(settings, name)
    containers = [size, *layout.helpers(settings, name)]
    # SeaweedFS' parts share one pod, and one volume, in every size.
    replicas = 1 if name == "store" and settings.store.kind == "seaweedfs" else size.replicas
    return {
        "name": name,
        "cpu": quantities.cpu_text(sum(quantities.millicores(container.cpu) for container in containers)),
        "memory": quantities.size_text(sum(quantities.size(container.memory) for container in containers)),
        "storage": size.storage,
        "replicas": replicas,
        "spread": name == "pipelines",  # the sum of many small pods
    }


def _rights(table: dict[str, tuple[str, ...]], *, namespaced: bool) -> list[dict[str, Any]]:
    return [
        {"group": group, "resource": name, "namespaced": namespaced} for group, names in table.items() for name in names
    ]


def main() -> int:
    """Answer one question; a value that won't do is an answer too, and exit code 3."""
    question = json.load(sys.stdin)
    try:
        chosen = all_settings.load(question["config"].get, stack=question["stack"], directory=Path.cwd())
    except PlatformError as error:
        json.dump({"problem": error.problem, "remedy": error.remedy}, sys.stdout)
        return 3
    json.dump(demand(chosen), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
