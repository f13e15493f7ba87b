"""A program of the generated project that runs while the tour goes on."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seedbed.environments.inventory import HOME_VARIABLE
from seedbed.errors import InfrastructureError
from seedbed.tour.shell import clean_environment

_START_TIMEOUT = 120.0


@dataclass
class Service:
    """A running HTTP program of the project, on loopback."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of one GET."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def wait_for(self, path: str, timeout: float = _START_TIMEOUT) -> None:
        """Wait until a GET answers 200.

        Raises:
            InfrastructureError: the program ended, or did not answer in time.
        """
        deadline = time.monotonic() + timeout
        last = "nothing"
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise InfrastructureError(
                    f"The {self.name} ended with exit code {self.process.returncode}:\n{self._tail()}",
                    hint=f"All output is in {self.log}",
                )
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, body = self.get(path)
                if status == http.HTTPStatus.OK:
                    return
                last = f"{status} {body[:200]}"
            time.sleep(0.2)
        raise InfrastructureError(
            f"{self.url}{path} did not answer 200 within {timeout:.0f} s, last: {last}", hint=f"See {self.log}"
        )

    def stop(self) -> None:
        """Ask it to stop, and make it stop after a while."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(15)

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])


def start(
    name: str, command: list[str], folder: Path, *, variables: Mapping[str, str], log: Path, home: Path
) -> Service:
    """Start a program that takes `--port`, marked as part of the environment whose folder is `home`."""
    port = _free_port()
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = clean_environment({**variables, HOME_VARIABLE: str(home)})
    with log.open("ab") as file:
        process = subprocess.Popen(
            [*command, "--port", str(port)], cwd=folder, env=environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
        )  # fmt: skip
    return Service(name, port, process, log)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
