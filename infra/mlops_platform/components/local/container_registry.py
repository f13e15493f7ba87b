"""A container registry on this machine, where its program is installed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi

from mlops_platform.components.local.programs import find_installed, reported_version
from mlops_platform.errors import PlatformError
from mlops_platform.resources.process import Process
from mlops_platform.supervision.service import Check

PROCESS = "registry"
_CONFIGURATION = Path(__file__).with_name("registry.yml")
_READY_SECONDS = 180


@dataclass(frozen=True)
class Program:
    """A registry that is installed here: its absolute path and its version."""

    path: str
    version: str


def find(home: Path) -> Program | None:
    """The registry's program, under Debian's name or its own; None if this machine has none.

    Args:
        home: folder of the environment.

    Raises:
        PlatformError: the program doesn't run; or it is gone, and the environment has a registry with its images.
    """
    if path := find_installed("docker-registry", "registry"):
        return Program(path, reported_version(path, expect="distribution"))
    if (home / PROCESS).exists():
        raise PlatformError(
            f"The environment has a container registry in {home / PROCESS}, and its program is no longer on PATH",
            "Install it again (Debian: docker-registry), or take the environment down and up: its images go then.",
        )
    return None


class ContainerRegistry(pulumi.ComponentResource):
    """The registry of a local environment. It asks for no credentials, since only this machine reaches it.

    Args:
        name: Pulumi name.
        program: what to run.
        home: folder of the environment.
        port: on loopback; 0 takes a free one.
        opts: Pulumi options.
    """

    def __init__(
        self,
        name: str,
        *,
        program: Program,
        home: pulumi.Input[str],
        port: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:local:ContainerRegistry", name, None, opts)
        process = Process(
            PROCESS,
            home=home,
            command=[program.path, "serve", str(_CONFIGURATION)],
            requested_ports={"http": port},
            environment={
                "REGISTRY_HTTP_ADDR": "127.0.0.1:{port.http}",
                # From version 3 on it would look for a collector of traces.
                "OTEL_TRACES_EXPORTER": "none",
            },
            version=program.version,
            ready=[Check("http", "/v2/")],
            ready_seconds=_READY_SECONDS,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.address = process.url.apply(lambda url: url.removeprefix("http://"))
        self.register_outputs({"address": self.address})
