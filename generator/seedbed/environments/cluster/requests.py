"""What the pods of an environment ask for, together and one by one."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from seedbed.environments.cluster.demand import Workload
from seedbed.environments.cluster.room import Amount

GIB = 2**30


def each(workload: Workload) -> Amount:
    """What each pod of a workload asks for; of many small pods, all together."""
    return Amount(_number(workload.cpu), _number(workload.memory))


def total(workloads: Iterable[Workload]) -> Amount:
    """What all pods ask for at the start."""
    return sum((each(workload) for workload in workloads for _ in range(workload.replicas)), Amount())


def volumes(workloads: Iterable[Workload]) -> Decimal:
    """Size of all volumes in GiB."""
    return sum((gib(w.storage) * w.replicas for w in workloads if w.storage), Decimal(0))


def gib(quantity: str) -> Decimal:
    """A quantity of memory or storage in GiB: "1Ti" is 1024."""
    return _number(quantity) / GIB


def _number(quantity: str) -> Decimal:
    from kubernetes.utils.quantity import parse_quantity

    return Decimal(parse_quantity(quantity))  # type: ignore[no-untyped-call]
