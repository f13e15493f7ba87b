"""Ports on loopback: free ones, and who holds the others."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable, Mapping

import psutil

from mlops_platform.errors import PlatformError

LOOPBACK = "127.0.0.1"
# Below the range from which systems take the ports of outgoing connections (32768 on Linux, 49152 on macOS): a stopped
# process finds its port free again.
_CANDIDATES = range(20000, 32000)
_ATTEMPTS = 1000


def assign(
    requested: Mapping[str, int],
    fixed_distances: Mapping[str, tuple[str, int]],
    previous: Mapping[str, int],
    owner: str,
) -> dict[str, int]:
    """A free port for each name.

    Args:
        requested: name → port, or 0 for any.
        fixed_distances: name of a further port → the one of `requested` that it lies above, and by how much.
        previous: name → port of an earlier run, taken again where any will do and it is still free.
        owner: whose ports they are, for the message.

    Raises:
        PlatformError: a requested port is busy, or no port is free.
    """
    require_free([port for port in requested.values() if port], owner)
    chosen: dict[str, int] = {}
    taken = set(requested.values())
    for name, port in requested.items():
        followers = {key: distance for key, (leader, distance) in fixed_distances.items() if leader == name}
        chosen[name] = port or _any_port(previous.get(name), [0, *followers.values()], taken, owner)
        chosen.update({key: chosen[name] + distance for key, distance in followers.items()})
        taken.update(chosen.values())
    return chosen


def require_free(wanted: Iterable[int], owner: str) -> None:
    """Stop before anything is changed for a port that can't be had.

    Raises:
        PlatformError: one is busy; the message names its holder.
    """
    for port in wanted:
        if not is_free(port):
            raise PlatformError(
                f"{owner}: port {port} on {LOOPBACK} is in use, {holder(port)}",
                "Stop that program, or set another port (configuration `s3Port`, `mlflowPort` or `registryPort`;"
                " 0 takes a free one).",
            )


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as listener:
        # As servers do: the closed connections of a predecessor are no hindrance.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return False
    # Some systems let two sockets share a port when only one of them names its address.
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((LOOPBACK, port)) != 0


def holder(port: int) -> str:
    """Who listens on a port, as far as the system tells."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            address = connection.laddr
            if connection.status == psutil.CONN_LISTEN and address and address.port == port and connection.pid:
                process = psutil.Process(connection.pid)
                return f"by process {process.pid} ({' '.join(process.cmdline())[:120] or process.name()})"
    except psutil.Error:
        pass
    return "by a process that can't be seen from this account"


def _any_port(previous: int | None, distances: list[int], taken: set[int], owner: str) -> int:
    """A port that is free together with those at these distances from it."""
    candidates = range(_CANDIDATES.start, _CANDIDATES.stop - max(distances))
    for port in [*([previous] if previous else []), *random.sample(candidates, _ATTEMPTS)]:
        wanted = {port + distance for distance in distances}
        if not wanted & taken and all(is_free(each) for each in wanted):
            return port
    raise PlatformError(
        f"{owner}: no free port on {LOOPBACK} between {candidates.start} and {candidates.stop - 1}",
        "See what listens there (`ss -ltnp`), and stop what isn't needed.",
    )
