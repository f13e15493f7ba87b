"""Whether the pods of an environment find room on a cluster's nodes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from seedbed.environments.cluster.demand import Workload

Object = dict[str, Any]
_GIB = 2**30


@dataclass(frozen=True)
class Amount:
    """CPU in cores and memory in bytes."""

    cpu: Decimal = Decimal(0)
    memory: Decimal = Decimal(0)

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.cpu + other.cpu, self.memory + other.memory)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.cpu - other.cpu, self.memory - other.memory)

    def __le__(self, other: Amount) -> bool:
        return self.cpu <= other.cpu and self.memory <= other.memory

    def __str__(self) -> str:
        return f"{self.cpu:.2f} CPU and {self.memory / _GIB:.1f} GiB"


def free(nodes: Iterable[Object], pods: Iterable[Object], *, without: str) -> dict[str, Amount]:
    """What each usable node has left for an environment.

    Args:
        nodes: all nodes. One that is cordoned, not ready, or tainted against ordinary pods is not usable.
        pods: all pods.
        without: value of the label of the environment whose own pods don't count: they are what room is sought for.
    """
    from seedbed.environments.cluster.leftovers import ENVIRONMENT_LABEL

    room = {node["metadata"]["name"]: _amount(node["status"]["allocatable"]) for node in nodes if _is_usable(node)}
    for pod in pods:
        node, labels = pod["spec"].get("nodeName"), pod["metadata"].get("labels") or {}
        ended = pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}
        if node in room and not ended and labels.get(ENVIRONMENT_LABEL) != without:
            room[node] -= _requests(pod["spec"])
    return room


def shortage(room: dict[str, Amount], workloads: Iterable[Workload]) -> str:
    """Why the pods don't fit, in words; empty when they do.

    Each pod goes to the first node that has room for it, the largest first: what finds no place this way would at best
    find one by luck.
    """
    pods, needed = [], Amount()
    for workload in workloads:
        amount = _amount({"cpu": workload.cpu, "memory": workload.memory})
        needed = sum([amount] * workload.replicas, needed)
        if not workload.spread:
            pods += [(workload.name, amount)] * workload.replicas
    left = sum(room.values(), Amount())
    if not needed <= left:
        return f"it needs {needed}, and {len(room)} usable nodes have {left} left"
    places = dict(room)
    for name, amount in sorted(pods, key=lambda pod: pod[1].memory, reverse=True):
        place = next((node for node, spare in places.items() if amount <= spare), None)
        if place is None:
            return f"a pod of {name} needs {amount}, and no node has that left beside the others"
        places[place] -= amount
    return ""


def _is_usable(node: Object) -> bool:
    taints = node["spec"].get("taints") or ()
    conditions = node.get("status", {}).get("conditions") or ()
    return (
        not node["spec"].get("unschedulable")
        and not any(taint["effect"] in {"NoSchedule", "NoExecute"} for taint in taints)
        and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    )


def _requests(spec: Object) -> Amount:
    """What the scheduler counts of a pod: its containers together, or an init container if that asks for more."""
    asked = [_amount(c.get("resources", {}).get("requests") or {}) for c in spec.get("containers", ())]
    first: list[Amount] = []
    for container in spec.get("initContainers") or ():
        amount = _amount(container.get("resources", {}).get("requests") or {})
        (asked if container.get("restartPolicy") == "Always" else first).append(amount)
    together = sum(asked, _amount(spec.get("overhead") or {}))
    return Amount(
        max([together.cpu, *(a.cpu for a in first)]),
        max([together.memory, *(a.memory for a in first)]),
    )


def _amount(quantities: dict[str, str]) -> Amount:
    from kubernetes.utils.quantity import parse_quantity

    cpu, memory = (Decimal(parse_quantity(quantities.get(key, 0))) for key in ("cpu", "memory"))  # type: ignore[no-untyped-call]
    return Amount(cpu, memory)
