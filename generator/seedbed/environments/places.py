"""Where an environment runs, beyond what Pulumi records of it: this machine, a cluster, or an account of AWS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from seedbed.environments import inventory
from seedbed.environments.inventory import Inventory
from seedbed.environments.project import Project
from seedbed.environments.stack_config import environment_of

if TYPE_CHECKING:
    from seedbed.environments.cluster.place import OnCluster

Say = Callable[[str], None]


@dataclass(frozen=True)
class Running:
    """What really runs of an environment.

    Attributes:
        processes: of an environment on this machine: name, pid, port, alive and log of each.
        workloads: of one on a cluster or on AWS: kind, namespace (on AWS the region), name, ready, wanted, healthy and
            reason of each.
    """

    processes: list[dict[str, Any]] = field(default_factory=list)
    workloads: list[dict[str, Any]] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Whether all of it does what it is for."""
        return all(p["alive"] for p in self.processes) and all(w["healthy"] for w in self.workloads)


class Place(Protocol):
    """What the verbs of an environment ask of the place where it runs."""

    def prepare(self, say: Say, *, skip_checks: bool) -> list[str]:
        """Look, before the engine starts, whether `up` can work, and bring what it needs; gives warnings.

        Raises:
            SeedbedError: it can't; the message holds every reason.
        """

    def reach(self) -> None:
        """Make sure that what runs there can be seen and removed.

        Raises:
            SeedbedError: it can't.
        """

    def look(self) -> Running:
        """What really runs."""

    def leftovers(self) -> Inventory:
        """What is left after everything was destroyed and had a moment to end."""

    def on_cluster(self) -> OnCluster | None:
        """The part of it that is on a cluster; None: it has none.

        Raises:
            SeedbedError: what gives access to the cluster doesn't.
        """

    def hand_over(self) -> dict[str, str]:
        """What stays because others use it too: URN → why. It is no more the environment's when this returns.

        Raises:
            SeedbedError: it can't be found out.
        """

    def unprotect(self) -> None:
        """Take off what keeps it there besides the engine: its name was typed, and it may go."""

    def blockers(self) -> list[str]:
        """What was told to end and can't, with what it waits for."""


@dataclass(frozen=True)
class LocalMachine:
    """An environment of processes on this machine.

    Attributes:
        project: whose it is.
        name: the environment's.
        recorded: the resources in its state, as `pulumi stack export` gives them.
    """

    project: Project
    name: str
    recorded: list[dict[str, Any]]

    def prepare(self, say: Say, *, skip_checks: bool) -> list[str]:  # noqa: ARG002 - this machine needs nothing
        """Nothing: the program itself checks ports and programs before it makes anything."""
        return []

    def reach(self) -> None:
        """Always."""

    def look(self) -> Running:
        """The recorded processes, alive or dead."""
        return Running(processes=[_process(r) for r in self.recorded if r.get("outputs", {}).get("pid")])

    def leftovers(self) -> Inventory:
        """Processes, ports, buckets and the folder."""
        return inventory.settled(self.project.home(self.name), self.recorded)

    def on_cluster(self) -> None:
        """None."""

    def hand_over(self) -> dict[str, str]:
        """Nothing."""
        return {}

    def unprotect(self) -> None:
        """Nothing does."""

    def blockers(self) -> list[str]:
        """The processes that did not end."""
        found = inventory.marked_processes(self.project.home(self.name))
        return [f"process {pid}: {command}" for pid, command in found.items()]


def place_of(project: Project, name: str, recorded: list[dict[str, Any]]) -> Place:
    """Where an environment runs.

    Args:
        project: whose it is.
        name: the environment's.
        recorded: the resources in its state, providers included; empty when it isn't up.

    Raises:
        SpecError: the spec has no such environment.
    """
    target = environment_of(project.spec, name).target
    if target == "local":
        return LocalMachine(project, name, recorded)
    if target == "aws":
        from seedbed.environments.aws.place import OnAws

        return OnAws(project, name, recorded)
    from seedbed.environments.cluster.place import OnCluster

    return OnCluster(project, name, recorded)


def _process(resource: dict[str, Any]) -> dict[str, Any]:
    values = resource["outputs"]
    pid = int(values["pid"])
    return {
        "name": resource["urn"].rpartition("::")[2],
        "pid": pid,
        "port": int(values["port"]),
        "alive": inventory.is_alive(pid, float(values["create_time"])),
        "log": values.get("log", ""),
    }
