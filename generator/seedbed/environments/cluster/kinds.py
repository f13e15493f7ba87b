"""Every kind of object that an API server keeps, found by asking it: a list of ours would age."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from seedbed.environments.cluster.connection import Api
from seedbed.environments.cluster.errors import ClusterError

WORKERS = 8


@dataclass(frozen=True)
class Kind:
    """A kind of object.

    Attributes:
        group: of its API; empty for the core one.
        version: of its API.
        plural: its name in paths, such as "deployments".
        name: its name in manifests, such as "Deployment".
        namespaced: whether each object is in a namespace.
    """

    group: str
    version: str
    plural: str
    name: str
    namespaced: bool

    def path(self, namespace: str = "") -> str:
        """Of the list of all objects, or of those in a namespace."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{namespace}/{self.plural}" if namespace else f"{root}/{self.plural}"

    @property
    def full_name(self) -> str:
        """The name that `kubectl get` takes without doubt, such as "deployments.apps"."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


def stored(api: Api) -> tuple[list[Kind], list[str]]:
    """All kinds that can be listed and deleted, and the API groups that did not answer, with the reason.

    What can't be deleted, such as the measurements of metrics-server, is a view of something else and not an object.
    """
    groups = [("", ["v1"])]
    for group in api.get("/apis").get("groups", ()):
        preferred = group["preferredVersion"]["version"]
        others = [version["version"] for version in group["versions"] if version["version"] != preferred]
        groups.append((group["name"], [preferred, *others]))
    with ThreadPoolExecutor(WORKERS) as pool:
        answers = list(pool.map(lambda group: _of_group(api, *group), groups))
    kinds = [kind for found, _ in answers for kind in found]
    return kinds, [problem for _, problem in answers if problem]


def _of_group(api: Api, group: str, versions: list[str]) -> tuple[list[Kind], str]:
    kinds: dict[str, Kind] = {}
    for version in versions:
        try:
            answer = api.get(f"/apis/{group}/{version}" if group else f"/api/{version}")
        except ClusterError as error:  # the server of an added API group is down
            return list(kinds.values()), f"API group {group}/{version}: {error.message}"
        for resource in answer.get("resources", ()):
            if _is_kept(resource):
                kind = Kind(group, version, resource["name"], resource["kind"], bool(resource["namespaced"]))
                kinds.setdefault(kind.plural, kind)
    return list(kinds.values()), ""


def _is_kept(resource: dict[str, Any]) -> bool:
    return "/" not in resource["name"] and {"list", "delete"} <= set(resource.get("verbs", ()))
