"""What an environment on AWS costs: the resources of its graph times a table of list prices, without a network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from seedbed.environments.aws import billing, declared, nodes, prices
from seedbed.environments.aws.declared import Declared
from seedbed.environments.aws.prices import HOURS_A_MONTH, Price, Table
from seedbed.environments.cluster import requests
from seedbed.environments.cluster.demand import Workload
from seedbed.environments.project import Project
from seedbed.environments.stack_config import environment_of

_NOT_COUNTED = (
    "data transfer out to the internet and to other regions",
    "requests to S3, KMS and ECR",
    "backups and snapshots, support, taxes, discounts, credits and the free tier",
)
_NOT_COUNTED_BY_USE = "what is stored, and its growth"
_NOT_COUNTED_WITH_NETWORK = (
    "data transfer through NAT gateways ({nat}), and between zones",
    "capacity units of load balancers",
)
_NOT_COUNTED_WITH_CLUSTER = (
    "pipeline runs and scaling under load, for which Auto Mode adds nodes and takes them away",
    "the EKS version's extended support, six times the price of the control plane",
)
_NOT_COUNTED_WITH_KEY = "versions of the KMS key that its yearly rotation adds"
_NOT_COUNTED_OF_STATE = (
    "the bucket and the key ({key}) of `seedbed state move`, which all environments of the project share"
)


@dataclass(frozen=True)
class Line:
    """One kind of thing that is paid for all the time.

    Attributes:
        price: of one.
        count: how many, in the price's unit.
    """

    price: Price
    count: Decimal

    @property
    def hour(self) -> Decimal:
        """US dollars an hour."""
        each = self.price.usd if self.price.per == "hour" else self.price.usd / HOURS_A_MONTH
        return each * self.count

    @property
    def month(self) -> Decimal:
        """US dollars a month of 730 hours."""
        each = self.price.usd * HOURS_A_MONTH if self.price.per == "hour" else self.price.usd
        return each * self.count

    def of(self, hours: Decimal) -> Decimal:
        """US dollars for as many hours."""
        return self.month * hours / HOURS_A_MONTH

    def as_dict(self) -> dict[str, Any]:
        """The line as `--json` shows it."""
        return {
            "resource": self.price.name, "count": number(self.count), "unit": self.price.unit,
            "price": number(self.price.usd), "per": self.price.per,
            "hour": number(self.hour), "month": number(self.month),
            "as_of": self.price.as_of, "source": self.price.source,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What an environment costs.

    Attributes:
        environment: its name.
        region: that it is in.
        prices_of: the region whose prices were taken.
        gathered: when they were.
        lines: what is paid for all the time.
        by_use: prices of what is paid for by its use, and nothing is known of that.
        not_priced: types of resources that no price is known of, and how many there are.
        assumed: what the figures rest on.
        not_counted: what comes on top.
        budget: US dollars a month at which the alarm goes off; 0: there is none.
    """

    environment: str
    region: str
    prices_of: str
    gathered: str
    lines: tuple[Line, ...]
    by_use: tuple[Price, ...]
    not_priced: dict[str, int]
    assumed: tuple[str, ...]
    not_counted: tuple[str, ...]
    budget: Decimal

    @property
    def hour(self) -> Decimal:
        """US dollars an hour."""
        return sum((line.hour for line in self.lines), Decimal(0))

    @property
    def month(self) -> Decimal:
        """US dollars a month of 730 hours."""
        return sum((line.month for line in self.lines), Decimal(0))

    def of(self, hours: Decimal) -> Decimal:
        """US dollars for as many hours."""
        return self.month * hours / HOURS_A_MONTH

    @property
    def excess(self) -> str:
        """That it costs more than its budget, in words; empty when it doesn't."""
        if not self.budget or self.month <= self.budget:
            return ""
        return (
            f"Environment '{self.environment}' would cost about ${self.month:,.2f} a month,"
            f" and its budget is ${self.budget:,.2f}"
        )

    def summary(self) -> dict[str, Any]:
        """The figures alone, as `preview` and `up` give them with `--json`."""
        return {
            "currency": "USD", "hour": number(self.hour), "month": number(self.month), "budget": number(self.budget),
            "region": self.region, "prices_of": self.prices_of, "gathered": self.gathered,
        }  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Everything, as `--json` shows it."""
        return {
            **self.summary(),
            "lines": [line.as_dict() for line in self.lines],
            "by_use": [
                {"resource": p.name, "unit": p.unit, "price": number(p.usd), "per": p.per,
                 "as_of": p.as_of, "source": p.source}
                for p in self.by_use
            ],
            "not_priced": self.not_priced,
            "assumed": list(self.assumed),
            "not_counted": list(self.not_counted),
        }  # fmt: skip


def number(value: Decimal) -> float:
    """A figure for JSON, to a ten-thousandth of a cent."""
    return float(round(value, 6))


def estimate(project: Project, name: str) -> Estimate:
    """What an environment on AWS costs as its spec says it now.

    Raises:
        SpecError: infra/ refuses a value of the environment's configuration.
        InfrastructureError: it can't say what the environment consists of.
    """
    environment = environment_of(project.spec, name)
    table, resources = prices.table(), declared.ask(project, name)
    found = billing.billed(resources)
    lines = [Line(table.prices[key], Decimal(count)) for key, count in found.kept.items()]
    assumed = [f"the resources are there all the time: {HOURS_A_MONTH} hours a month"]
    if environment.variant == "platform":
        more, why = _cluster(table, nodes.workloads_of(project, name, resources), _node_volume(resources))
        lines += more
        assumed += why
        if project.spec.choices.serving != "none" and not environment.service_image:
            assumed.append("the model service doesn't run yet: service_image names no image")
    by_use = tuple(table.prices[key] for key in sorted(found.used))
    return Estimate(
        environment=name,
        region=environment.region,
        prices_of=table.region,
        gathered=table.gathered,
        lines=tuple(sorted(lines, key=lambda line: line.month, reverse=True)),
        by_use=by_use,
        not_priced=dict(sorted(found.unknown.items())),
        assumed=tuple(assumed),
        not_counted=tuple(_not_counted(table, environment.variant, by_use=bool(by_use), key="kms-key" in found.kept)),
        budget=Decimal(environment.budget),
    )


def _not_counted(table: Table, variant: str, *, by_use: bool, key: bool) -> Iterable[str]:
    if by_use:
        yield _NOT_COUNTED_BY_USE
    if variant == "platform":
        yield from (line.format(nat=table.prices["nat-data"]) for line in _NOT_COUNTED_WITH_NETWORK)
        yield from _NOT_COUNTED_WITH_CLUSTER
    yield from _NOT_COUNTED
    if key:
        yield _NOT_COUNTED_WITH_KEY
    yield _NOT_COUNTED_OF_STATE.format(key=table.prices["kms-key"])


def _cluster(table: Table, workloads: list[Workload], node_volume: Decimal) -> tuple[list[Line], list[str]]:
    """What Auto Mode makes for the pods: nodes, and volumes."""
    asked = requests.total(workloads)
    lines, assumed = [], []
    # EBS counts GiB and calls them GB.
    if volumes := requests.volumes(workloads):
        lines.append(Line(table.prices["volume"], volumes))
    volume = table.prices["node-volume"].usd * node_volume / HOURS_A_MONTH
    chosen = nodes.cheapest(
        table.machines, workloads, lambda machine: machine.usd + table.management(machine).usd + volume
    )
    if chosen is None:
        assumed.append(f"no node is counted: a pod is too large for every machine that a price is known of ({asked})")
        return lines, assumed
    count = Decimal(chosen.count)
    lines += [
        Line(table.node(chosen.machine), count),
        Line(table.management(chosen.machine), count),
        Line(table.prices["node-volume"], count * node_volume),
    ]
    assumed += [
        f"the pods ask for {asked} and run on {chosen.count} x {chosen.machine.type}, the cheapest of one type",
        "Auto Mode packs them as well: it may take other types or several, and more nodes for pods that come later",
        f"EKS Auto Mode adds {table.auto_mode:.0%} to a node's price (derived: AWS has a fee for each type)",
    ]
    return lines, assumed


def _node_volume(resources: list[Declared]) -> Decimal:
    """Size of each node's volume in GB: as the program's own NodeClass says it, or Auto Mode's."""
    for resource in resources:
        if resource.type.endswith(":NodeClass"):
            storage = (resource.inputs.get("spec") or {}).get("ephemeralStorage") or {}
            if size := storage.get("size"):
                return requests.gib(size)
    return nodes.VOLUME_GB
