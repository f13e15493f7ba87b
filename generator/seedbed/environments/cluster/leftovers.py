"""What a cluster still holds of an environment: the proof behind `down`, and what holds a `down` up."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from seedbed.environments.cluster.connection import Api
from seedbed.environments.cluster.errors import ClusterError, NotAllowedError
from seedbed.environments.cluster.kinds import WORKERS, Kind, stored
from seedbed.environments.inventory import Inventory

ENVIRONMENT_LABEL = "seedbed/environment"
# What a namespace says of itself while it can't end.
_BLOCKED = {
    "NamespaceContentRemaining",
    "NamespaceFinalizersRemaining",
    "NamespaceDeletionContentFailure",
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionGroupVersionParsingFailure",
}
_NAMESPACES = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
_SHOWN = 20
_PAUSE = 2.0


@dataclass(frozen=True)
class _Found:
    kind: str
    metadata: dict[str, Any]

    @property
    def may_end(self) -> bool:
        """Whether it may go by itself: it was deleted, or goes with another object."""
        return bool(self.metadata.get("deletionTimestamp") or self.metadata.get("ownerReferences"))

    def __str__(self) -> str:
        namespace = self.metadata.get("namespace", "")
        where = f"{namespace}/{self.metadata['name']}" if namespace else self.metadata["name"]
        return f"{self.kind} {where}{_deletion(self.metadata)}"


def settled(api: Api, environment: str, namespaces: Iterable[str], seconds: float) -> Inventory:
    """The inventory after giving what may end by itself, such as pods and volumes, up to this long to do so.

    Args:
        api: of the cluster.
        environment: the value of the label on all of its objects.
        namespaces: names of its own namespaces, whose claims may have left volumes.
        seconds: how long.

    Raises:
        SeedbedError: the cluster did not answer.
    """
    names = list(namespaces)
    deadline = time.monotonic() + seconds
    while True:
        found, may_end = _take(api, environment, names)
        if not may_end or time.monotonic() >= deadline:
            return found
        time.sleep(_PAUSE)


def _take(api: Api, environment: str, namespaces: list[str]) -> tuple[Inventory, bool]:
    """The inventory, and whether anything in it may end by itself."""
    kinds, silent = stored(api)
    found, refused = _labelled(api, environment, [kind for kind in kinds if kind.full_name != _NAMESPACES.full_name])
    labelled, refused_namespaces = _labelled(api, environment, [_NAMESPACES])
    lines = [str(item) for item in found]
    lines += [_describe(live) for item in labelled if (live := _namespace(api, item.metadata["name"]))]
    volumes, volume_count, volumes_end = _volumes(api, set(namespaces))
    may_end = volumes_end or any(item.may_end for item in (*found, *labelled))
    # An API group whose own server is down holds nothing that `up` made: only its absence is worth a word.
    checked = {"object kinds": len(kinds), "namespaces": len(set(namespaces)), "volumes": volume_count}
    leftovers = [*lines, *volumes, *refused, *refused_namespaces]
    return Inventory(checked=checked, leftovers=leftovers, unseen=silent), may_end


def blockers(api: Api, environment: str, namespaces: Iterable[str]) -> list[str]:
    """What was told to end and has not, with what it waits for: the namespaces first, then single objects."""
    kinds, silent = stored(api)
    own = [found for name in namespaces if (found := _namespace(api, name))]
    ending = [found for found in own if found["metadata"].get("deletionTimestamp")]
    held, _ = _labelled(api, environment, [kind for kind in kinds if kind.full_name != _NAMESPACES.full_name])
    # What keeps a namespace may be anybody's: an object that a person or another program put there.
    for namespace in ending:
        name = namespace["metadata"]["name"]
        within, _ = _search(api, [(kind, kind.path(name)) for kind in kinds if kind.namespaced], "")
        held += within
    waiting = {item.metadata["uid"]: item for item in held if item.metadata.get("deletionTimestamp")}
    lines = [_describe(namespace) for namespace in ending]
    lines += [str(item) for item in waiting.values() if item.metadata.get("finalizers")]
    if len(lines) > _SHOWN:
        lines = [*lines[:_SHOWN], f"and {len(lines) - _SHOWN} more"]
    return lines + silent


def _labelled(api: Api, environment: str, kinds: list[Kind]) -> tuple[list[_Found], list[str]]:
    return _search(api, [(kind, kind.path()) for kind in kinds], f"{ENVIRONMENT_LABEL}={environment}")


def _search(api: Api, lists: list[tuple[Kind, str]], selector: str) -> tuple[list[_Found], list[str]]:
    """All objects on these lists, each once, and the lists that we may not read: nothing is proven of those."""

    def look(of: tuple[Kind, str]) -> tuple[list[_Found], str]:
        kind, path = of
        try:
            items = api.items(path, selector=selector, whole=False)
            return [_Found(kind.name, item["metadata"]) for item in items], ""
        except NotAllowedError:
            return [], f"{kind.full_name}: your account may not list them, so nothing is proven of them"
        except ClusterError as error:
            return [], f"{kind.full_name}: {error.message}"

    with ThreadPoolExecutor(WORKERS) as pool:
        answers = list(pool.map(look, lists))
    # Some kinds are in two groups, such as events: the same object under the same number.
    unique = {item.metadata["uid"]: item for found, _ in answers for item in found}
    return list(unique.values()), [problem for _, problem in answers if problem]


def _namespace(api: Api, name: str) -> dict[str, Any] | None:
    return api.find(f"/api/v1/namespaces/{name}")


def _describe(namespace: dict[str, Any]) -> str:
    """A namespace and what it waits for, by its own conditions."""
    conditions = namespace.get("status", {}).get("conditions") or ()
    reasons = [c["message"] for c in conditions if c["type"] in _BLOCKED and c["status"] == "True"]
    line = str(_Found("Namespace", namespace["metadata"]))
    return f"{line}: {' '.join(reasons)}" if reasons else line


def _volumes(api: Api, namespaces: set[str]) -> tuple[list[str], int, bool]:
    """Volumes that claims of these namespaces held, how many were looked at, and whether one may end by itself.

    They outlive the claim where their class retains them.
    """
    lines, may_end = [], False
    try:
        volumes = list(api.items("/api/v1/persistentvolumes"))
    except NotAllowedError:
        return ["persistentvolumes: your account may not list them, so nothing is proven of them"], 0, False
    for volume in volumes:
        claim = volume["spec"].get("claimRef") or {}
        if claim.get("namespace") in namespaces:
            policy = volume["spec"].get("persistentVolumeReclaimPolicy", "")
            may_end = may_end or policy != "Retain"
            kept = ": its class retains volumes, so its data is still there" if policy == "Retain" else ""
            lines.append(
                f"PersistentVolume {volume['metadata']['name']} of claim {claim['namespace']}/{claim['name']}"
                f"{_deletion(volume['metadata'])}{kept}"
            )
    return lines, len(volumes), may_end


def _deletion(metadata: dict[str, Any]) -> str:
    if not (since := metadata.get("deletionTimestamp")):
        return ""
    finalizers = ", ".join(metadata.get("finalizers") or ())
    return f", deleted at {since}" + (f", waits for {finalizers}" if finalizers else " and ending")
