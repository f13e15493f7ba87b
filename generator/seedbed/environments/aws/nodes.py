"""Which nodes EKS Auto Mode starts for an environment's pods, as far as that can be told from what they ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from seedbed.environments.aws import billing
from seedbed.environments.aws.declared import Declared
from seedbed.environments.aws.prices import Machine
from seedbed.environments.cluster import demand, requests
from seedbed.environments.cluster.demand import Workload
from seedbed.environments.cluster.room import Amount
from seedbed.environments.project import Project

_MIB = 2**20
# What the kubelet keeps to itself by the EKS AMI's rules (awslabs/amazon-eks-ami, nodeadm), for the 110 pods of a node
# with prefix delegation; its limit of eviction; and the share of memory that Karpenter takes for the hypervisor's.
_PODS = 110
_RESERVED_MIB = 255 + 11 * _PODS + 100
_HYPERVISOR = Decimal("0.075")
_RESERVED_CPU = (Decimal("0.06"), Decimal("0.01"), Decimal("0.005"), Decimal("0.005"))
_RESERVED_CPU_MORE = Decimal("0.0025")
# The volume for images and logs of a node whose NodeClass names no other size.
VOLUME_GB = Decimal(80)


@dataclass(frozen=True)
class Nodes:
    """Nodes of one type."""

    machine: Machine
    count: int


def room(machine: Machine) -> Amount:
    """What a machine has for pods."""
    extra = _RESERVED_CPU_MORE * max(0, machine.cpu - len(_RESERVED_CPU))
    return Amount(
        machine.cpu - sum(_RESERVED_CPU[: machine.cpu]) - extra,
        machine.gib * requests.GIB * (1 - _HYPERVISOR) - _RESERVED_MIB * _MIB,
    )


def workloads_of(project: Project, name: str, resources: Iterable[Declared]) -> list[Workload]:
    """What an environment runs on its nodes, those that its add-ons bring included.

    Args:
        project: whose environment it is.
        name: the environment's.
        resources: all that it consists of.

    Raises:
        SpecError: infra/ refuses a value of the environment's configuration.
        InfrastructureError: it has no answer.
    """
    return [*demand.ask(project, name).workloads, *billing.addon_pods(resources)]


def cheapest(
    machines: Iterable[Machine], workloads: Iterable[Workload], each: Callable[[Machine], Decimal] | None = None
) -> Nodes | None:
    """The nodes of one type that the pods fit on for the least money; None when they fit on none.

    Args:
        machines: the types.
        workloads: the pods.
        each: what a node of a type costs with all that comes with it; None: what the table says of it alone.
    """
    kept, price = list(workloads), each or (lambda machine: machine.usd)
    counts = [(machine, _needed(room(machine), kept)) for machine in machines]
    found = [Nodes(machine, count) for machine, count in counts if count is not None]
    return min(found, key=lambda nodes: (nodes.count * price(nodes.machine), nodes.count), default=None)


def _needed(each: Amount, workloads: list[Workload]) -> int | None:
    """How many nodes with this room the pods need, by the best of a few ways to pack them.

    Pods of a kind go to different nodes, as they wish to. Many small pods fill what is left.
    """
    pods = [(w.name, requests.each(w)) for w in workloads if not w.spread for _ in range(w.replicas)]
    small = sum((requests.each(w) for w in workloads if w.spread), Amount())
    if not all(amount <= each for _, amount in pods):
        return None
    ways: tuple[Callable[[Amount], Decimal], ...] = (
        lambda amount: amount.memory,
        lambda amount: amount.cpu,
        lambda amount: max(amount.memory / each.memory, amount.cpu / each.cpu),
    )
    return min(_packed(sorted(pods, key=lambda pod: way(pod[1]), reverse=True), small, each) for way in ways)


def _packed(pods: list[tuple[str, Amount]], small: Amount, each: Amount) -> int:
    """How many nodes there are when each pod in turn goes to the first that has room."""
    left, kinds = [each], [set[str]()]
    for name, amount in pods:
        place = next((i for i, spare in enumerate(left) if amount <= spare and name not in kinds[i]), None)
        if place is None:
            left.append(each)
            kinds.append(set())
            place = len(left) - 1
        left[place] -= amount
        kinds[place].add(name)
    while not small <= sum(left, Amount()):
        left.append(each)
    return len(left)
