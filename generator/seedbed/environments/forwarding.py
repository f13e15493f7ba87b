"""Reach what an environment runs inside a cluster from this machine, through the cluster's own API server.

`kubectl port-forward` carries each connection. It ends when the pod behind a service is replaced, so it is started
again, on the same port, for as long as the forwarding lasts.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from seedbed.errors import InfrastructureError, ToolMissingError, UsageError
from seedbed.spec import Environment

_INSIDE = re.compile(r"(?P<name>[a-z0-9-]+)\.(?P<namespace>[a-z0-9-]+)\.svc(\.cluster\.local)?")
_NODE_REGISTRY = re.compile(r"localhost:(?P<port>[0-9]+)(/.*)?")
_REGISTRY_PORT = 5000
_READY = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")
_READY_SECONDS = 30.0
_PAUSE = 1.0
# What kubectl says when the credentials are not taken, and when they can't be had.
_REFUSED = re.compile(r"Unauthorized|must be logged in|asked for the client to provide credentials|getting credentials")
_REFUSED_HINT = (
    "Log in again. On AWS: `aws sts get-caller-identity` must show the environment's account, as somebody whom its"
    " cluster knows: whoever made it, and those in `cluster_admins`."
)
_HINT = "`seedbed status` shows what runs; a port that is taken on this machine must be freed first."
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Service:
    """A service of a cluster.

    Attributes:
        name: of the Kubernetes Service.
        namespace: that it is in.
        port: of the service.
        local_port: on this machine; 0: any free one.
    """

    name: str
    namespace: str
    port: int
    local_port: int = 0


def services(outputs: Mapping[str, str]) -> dict[str, Service]:
    """The outputs of an environment that only its cluster can reach, and the service behind each."""
    found = {}
    for output, value in outputs.items():
        if value.startswith(("http://", "https://")):
            parts = urlsplit(value)
            if match := _INSIDE.fullmatch(parts.hostname or ""):
                found[output] = Service(match["name"], match["namespace"], parts.port or _DEFAULT_PORTS[parts.scheme])
    if match := _NODE_REGISTRY.fullmatch(outputs.get("registry", "")):
        # Images are called by the address at which the nodes find them: here it has to be the same one.
        found["registry"] = Service("registry", outputs["namespace"], _REGISTRY_PORT, int(match["port"]))
    return found


@contextlib.contextmanager
def cluster_options(name: str, environment: Environment, outputs: Mapping[str, str]) -> Iterator[list[str]]:
    """The options by which kubectl finds an environment's cluster, while the block lasts.

    A cluster that somebody else made is a context of the person's own kubeconfig. One on AWS comes with a kubeconfig
    among the environment's outputs, in which the AWS CLI says who is asking: no secret is in it.

    Args:
        name: the environment's.
        environment: the same, as the spec has it.
        outputs: of the environment.

    Raises:
        UsageError: the environment is on AWS, in a variant without a cluster.
        ToolMissingError: the AWS CLI is not on PATH.
    """
    if environment.target != "aws":
        yield ["--context", environment.context]
        return
    if not (kubeconfig := outputs.get("kubeconfig")):
        raise UsageError(
            f"Environment '{name}' has no cluster (variant {environment.variant}), so there is nothing to forward",
            hint=f"Its buckets and its registry are reached as they are: seedbed outputs {name}",
        )
    if shutil.which("aws") is None:
        raise ToolMissingError(
            f"`aws` is not on PATH, and says to the cluster of '{name}' who you are",
            hint="Install the AWS CLI: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
        )
    handle, path = tempfile.mkstemp(prefix="seedbed-", suffix=".kubeconfig")  # for its owner alone
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(kubeconfig)
        yield ["--kubeconfig", path]
    finally:
        Path(path).unlink()


@contextlib.contextmanager
def forwarded(
    outputs: Mapping[str, str], options: Sequence[str], say: Callable[[str], None]
) -> Iterator[dict[str, str]]:
    """The outputs as this machine can use them, while the block lasts.

    Args:
        outputs: of an environment.
        options: by which kubectl finds the cluster, as `cluster_options` gives them.
        say: told when a connection had to be made anew.

    Raises:
        ToolMissingError: kubectl is not on PATH.
        InfrastructureError: a service can't be reached; kubectl's own words are in the message.
    """
    wanted = services(outputs)
    kubectl = shutil.which("kubectl")
    if wanted and kubectl is None:
        raise ToolMissingError(
            "`kubectl` is not on PATH, and carries the connections into the cluster",
            hint="Install it; its version should be within one minor version of the cluster's.",
        )
    tunnels = {service: _Tunnel([str(kubectl), *options], service) for service in set(wanted.values())}
    with contextlib.ExitStack() as stack:
        for tunnel in tunnels.values():
            stack.callback(tunnel.close)
            tunnel.start()
        for tunnel in tunnels.values():
            tunnel.wait()
        ended = threading.Event()
        keeper = threading.Thread(target=_keep, args=(list(tunnels.values()), ended, say), daemon=True)
        keeper.start()
        stack.callback(keeper.join)
        stack.callback(ended.set)
        yield {**outputs, **{name: _here(outputs[name], tunnels[service].port) for name, service in wanted.items()}}


def _here(value: str, port: int) -> str:
    if not value.startswith(("http://", "https://")):
        return value
    return urlsplit(value)._replace(netloc=f"127.0.0.1:{port}").geturl()


def _keep(tunnels: list[_Tunnel], ended: threading.Event, say: Callable[[str], None]) -> None:
    broken: set[str] = set()
    while not ended.wait(_PAUSE):
        for tunnel in tunnels:
            if not tunnel.broken:
                broken.discard(tunnel.service.name)
                continue
            if tunnel.service.name not in broken:
                say(f"The connection to {tunnel.service.name} broke: connecting again")
                broken.add(tunnel.service.name)
            tunnel.start()


@dataclass
class _Tunnel:
    """One `kubectl port-forward`."""

    kubectl: list[str]
    service: Service
    port: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _log: IO[bytes] = field(default_factory=tempfile.TemporaryFile)

    def start(self) -> None:
        service = self.service
        self.port = self.port or service.local_port
        self._log.seek(0)
        self._log.truncate()
        self._process = subprocess.Popen(
            [
                *self.kubectl, "--namespace", service.namespace, "port-forward", "--address", "127.0.0.1",
                f"service/{service.name}", f"{self.port or ''}:{service.port}",
            ],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, start_new_session=True,
        )  # fmt: skip

    @property
    def broken(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def wait(self) -> None:
        """Until it carries connections."""
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            broken = self.broken
            text = self._text()
            if match := _READY.search(text):
                self.port = int(match[1])
                return
            if broken:
                break
            time.sleep(0.05)
        raise InfrastructureError(
            f"The service {self.service.name} in namespace {self.service.namespace} can't be reached:"
            f" {self._text().strip() or f'kubectl did not connect within {_READY_SECONDS:.0f} s'}",
            hint=_REFUSED_HINT if _REFUSED.search(self._text()) else _HINT,
        )

    def _text(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()
