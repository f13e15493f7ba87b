"""What AWS asks for: a table of list prices with their dates and sources, read from prices.toml beside this file."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

HOURS_A_MONTH = 730  # as AWS's own calculator counts them


@dataclass(frozen=True, kw_only=True)
class Price:
    """One price.

    Attributes:
        name: of what is paid for.
        usd: US dollars for one of it.
        per: an hour or a month of having it, or once for each use.
        unit: that it is counted in; empty: pieces.
        as_of: the date that the source gives it for, at least to the month.
        source: where it was found.
    """

    name: str
    usd: Decimal
    per: Literal["hour", "month", "use"]
    unit: str = ""
    as_of: str
    source: str

    def __str__(self) -> str:
        of = f"/{self.unit}" if self.unit else ""
        return f"${self.usd:f}{of}" + {"hour": " an hour", "month": " a month", "use": ""}[self.per]


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A type of EC2 instance.

    Attributes:
        type: AWS's name of it.
        cpu: virtual CPUs.
        gib: memory in GiB.
        usd: US dollars an hour, on demand.
    """

    type: str
    cpu: int
    gib: int
    usd: Decimal


@dataclass(frozen=True, kw_only=True)
class Table:
    """All prices.

    Attributes:
        region: whose they are.
        gathered: date on which they were looked up.
        prices: by their keys.
        machines: that nodes can be.
        machines_as_of: date of the machines' prices.
        machines_source: where these were found.
        auto_mode: share of a machine's price that EKS Auto Mode adds.
        auto_mode_as_of: date of that.
        auto_mode_source: where it was found.
    """

    region: str
    gathered: str
    prices: dict[str, Price]
    machines: tuple[Machine, ...]
    machines_as_of: str
    machines_source: str
    auto_mode: Decimal
    auto_mode_as_of: str
    auto_mode_source: str

    def node(self, machine: Machine) -> Price:
        """The price of a node, without what Auto Mode adds."""
        name = f"Node {machine.type} ({machine.cpu} vCPU, {machine.gib} GiB)"
        return Price(
            name=name, usd=machine.usd, per="hour", as_of=self.machines_as_of, source=self.machines_source
        )  # fmt: skip

    def management(self, machine: Machine) -> Price:
        """What Auto Mode adds to the price of a node."""
        name = f"EKS Auto Mode, {self.auto_mode:.0%} of the node"
        usd = machine.usd * self.auto_mode
        return Price(name=name, usd=usd, per="hour", as_of=self.auto_mode_as_of, source=self.auto_mode_source)


@functools.cache
def table() -> Table:
    """The prices that this version of seedbed knows."""
    text = Path(__file__).with_name("prices.toml").read_text(encoding="utf-8")
    raw: dict[str, Any] = tomllib.loads(text, parse_float=Decimal)
    machines, auto_mode = raw["machines"], raw["auto_mode"]
    return Table(
        region=raw["region"],
        gathered=raw["gathered"],
        prices={key: Price(**values) for key, values in raw["prices"].items()},
        machines=tuple(Machine(**values) for values in machines["types"]),
        machines_as_of=machines["as_of"],
        machines_source=machines["source"],
        auto_mode=auto_mode["share"],
        auto_mode_as_of=auto_mode["as_of"],
        auto_mode_source=auto_mode["source"],
    )
