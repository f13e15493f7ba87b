"""What is left of an environment: the proof behind `down`.

Everything that the state named before it was destroyed is looked for again, and so is everything that carries the
environment's mark, whether the state knew of it or not.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Every process of a local environment, and every child of one, has its folder in this variable.
HOME_VARIABLE = "SEEDBED_HOME"


@dataclass
class Inventory:
    """The result of looking for what is left, wherever an environment ran.

    Attributes:
        checked: what was looked for, and how many of each kind.
        leftovers: what is still there and should not be, one a line.
        kept: what is still there and shall be: it was there before the environment.
        unseen: what could not be looked at and holds nothing of the environment as far as is known.
        ending: what goes by itself on a known date and costs nothing until then, with that date.
    """

    checked: dict[str, int] = field(default_factory=dict)
    leftovers: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    ending: list[str] = field(default_factory=list)

    def describe(self) -> str:
        """What was looked for, in words."""
        singular = {"processes": "process"}
        return ", ".join(
            f"{count} {kind if count != 1 else singular.get(kind, kind.removesuffix('s'))}"
            for kind, count in self.checked.items()
        )


def take(home: Path, resources: list[dict[str, Any]]) -> Inventory:
    """Look for what may be left of a local environment.

    Args:
        home: the environment's folder.
        resources: the resources of its last state, as `pulumi stack export` gives them.
    """
    inventory = Inventory()
    found = marked_processes(home)
    recorded = [r.get("outputs", {}) for r in resources]
    pids = {int(o["pid"]) for o in recorded if o.get("pid")}
    inventory.checked["processes"] = len(pids | set(found))
    inventory.leftovers += [f"process {pid}: {command}" for pid, command in found.items()]
    ports = sorted({int(o["port"]) for o in recorded if o.get("port")})
    inventory.checked["ports"] = len(ports)
    inventory.leftovers += [f"port {port} on 127.0.0.1 still answers" for port in ports if _answers(port)]
    # A bucket on this machine goes with the folder, and one elsewhere only when its store has confirmed the deletion.
    kept = {str(o["bucket"]) for o in recorded if o.get("bucket") and o.get("existing")}
    inventory.kept = [f"bucket {bucket}" for bucket in sorted(kept)]
    inventory.checked["buckets"] = len({str(o["bucket"]) for o in recorded if o.get("bucket")} - kept)
    inventory.checked["folders"] = 1
    if home.exists():
        files = [path for path in home.rglob("*") if path.is_file()]
        inventory.leftovers.append(f"folder {home} with {len(files)} files")
    return inventory


def settled(home: Path, resources: list[dict[str, Any]], seconds: float = 5.0) -> Inventory:
    """The inventory after giving processes that were told to end a moment to do so."""
    deadline = time.monotonic() + seconds
    while (found := take(home, resources)).leftovers and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def marked_processes(home: Path) -> dict[int, str]:
    """Process numbers and command lines of all processes that carry the environment's mark."""
    import psutil

    found = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get(HOME_VARIABLE) == str(home) and process.status() != psutil.STATUS_ZOMBIE:
                found[process.pid] = " ".join(process.cmdline())[:120]
        except (psutil.Error, OSError):  # another user's, or gone meanwhile
            continue
    return found


def is_alive(pid: int, created: float) -> bool:
    """Whether the very process that was started then is running, and not another that got its number."""
    import psutil

    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - created) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def is_running(pid: int, since: float) -> bool:
    """Whether the process that had this number at that time (seconds since 1970) may still run."""
    import psutil

    try:
        process = psutil.Process(pid)
        return process.create_time() <= since + 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:  # another user's: nothing is proven
        return True


def _answers(port: int) -> bool:
    with socket.socket() as connection:
        connection.settimeout(1)
        return connection.connect_ex(("127.0.0.1", port)) == 0
