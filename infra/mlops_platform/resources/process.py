"""A supervised process on this machine as a Pulumi resource.

A process that was killed stays in the state, as not running: its folder with its data still exists, and `down` has to
find it. So `refresh` reports the change, and the next `up` starts it again in the same folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from mlops_platform.resources.provider import Provider, expected
from mlops_platform.supervision import marks, service
from mlops_platform.supervision.ports import LOOPBACK
from mlops_platform.supervision.record import Record


class ProcessProvider(Provider):
    """Starts, watches, repairs and removes the process."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Start it, or adopt the one that an interrupted run has left.

        Raises:
            PlatformError: it doesn't get ready; then nothing of it is running.
        """
        wanted = _service(props)
        return CreateResult(wanted.name, _outputs(props, service.ensure(wanted, {})))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Whether it must be started anew: it isn't running, or not as wanted."""
        old, new = _service(olds), _service(expected(olds, news))
        same = (old.home, old.fingerprint, old.residue) == (new.home, new.fingerprint, new.residue)
        actual = service.running(new.home, new.name)
        # A run that was killed may have started another process than the one in the state.
        return DiffResult(changes=not same or actual is None or actual.pid != int(olds["pid"]))

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Start it anew in its folder, on the same ports where they are free.

        Raises:
            PlatformError: it doesn't get ready; then nothing of it is running.
        """
        if olds["home"] != news["home"]:  # the project was moved, its processes were not
            marks.stop(Path(olds["home"]), olds["name"])
        return UpdateResult(_outputs(news, service.ensure(_service(news), _numbers(olds["ports"]))))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """What is true now; nothing if neither its folder nor any process of it is left."""
        home, name = Path(props["home"]), props["name"]
        if actual := service.running(home, name):
            return ReadResult(id_, _outputs(props, actual))
        # A folder that was moved has left its processes behind, which must not be forgotten.
        if (home / name).exists() or marks.find(home, name):
            return ReadResult(id_, {**props, "running": False})
        return ReadResult("", {})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Stop it, if it runs, and remove its folder.

        Raises:
            PlatformError: it doesn't stop, or its folder can't be removed.
        """
        service.remove(Path(props["home"]), props["name"], props["residue"])


class Process(Resource, module="mlops", name="Process"):
    """A process that runs until it is deleted. See `supervision.service.Service` for the arguments.

    Attributes:
        pid: its number.
        create_time: when the system started it, seconds since 1970.
        port: where it answers, on loopback.
        ports: all its ports by name.
        url: where it answers.
        log: path of its log.
        running: false when a refresh found it dead.
    """

    pid: pulumi.Output[int]
    create_time: pulumi.Output[float]
    port: pulumi.Output[int]
    ports: pulumi.Output[dict[str, int]]
    url: pulumi.Output[str]
    log: pulumi.Output[str]
    running: pulumi.Output[bool]

    def __init__(
        self,
        name: str,
        *,
        home: pulumi.Input[str],
        command: Sequence[pulumi.Input[str]],
        requested_ports: Mapping[str, int],
        environment: Mapping[str, pulumi.Input[str]],
        version: str,
        ready: Sequence[service.Check],
        ready_seconds: float,
        fixed_distances: Mapping[str, tuple[str, int]] | None = None,
        residue: Sequence[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "name": name,
            "home": home,
            "command": list(command),
            "requested_ports": dict(requested_ports),
            "environment": pulumi.Output.secret(dict(environment)),
            "version": version,
            "ready": [asdict(check) for check in ready],
            "ready_seconds": ready_seconds,
            "fixed_distances": {key: list(value) for key, value in (fixed_distances or {}).items()},
            "residue": list(residue),
        }
        outputs = dict.fromkeys(("pid", "create_time", "port", "ports", "url", "log", "running"))
        secret = pulumi.ResourceOptions(additional_secret_outputs=["environment"])
        super().__init__(ProcessProvider(), name, {**inputs, **outputs}, pulumi.ResourceOptions.merge(opts, secret))


def _service(props: Mapping[str, Any]) -> service.Service:
    return service.Service(
        home=Path(props["home"]),
        name=props["name"],
        command=tuple(props["command"]),
        ports=_numbers(props["requested_ports"]),
        environment=dict(props["environment"]),
        version=props["version"],
        ready=tuple(service.Check(**check) for check in props["ready"]),
        ready_seconds=float(props["ready_seconds"]),
        fixed_distances={key: (leader, int(distance)) for key, (leader, distance) in props["fixed_distances"].items()},
        residue=tuple(props["residue"]),
    )


def _outputs(props: Mapping[str, Any], actual: Record) -> dict[str, Any]:
    port = actual.ports[service.MAIN_PORT]
    return {
        **props,
        "pid": actual.pid,
        "create_time": actual.create_time,
        "port": port,
        "ports": dict(actual.ports),
        "url": f"http://{LOOPBACK}:{port}",
        "log": str(_service(props).log),
        "running": True,
    }


def _numbers(ports: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(port) for name, port in ports.items()}  # Pulumi's numbers are floats
