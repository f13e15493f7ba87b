"""The web server around the service: its bounds, its listening socket, its orderly end."""

from __future__ import annotations

import asyncio
import math
import os
import resource
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

import uvicorn

from {{ cookiecutter.package }} import registry
from {{ cookiecutter.package }}.errors import ConfigError

from .app import PAGES, create_app
from .limits import RequestLimits
from .metrics import RequestMetrics
from .protocol import Connections, bounded
from .service import QUEUED, ROUTES, Service
from .settings import Settings

if TYPE_CHECKING:
    from types import FrameType

    from .asgi import ASGIApp


# Those that the model, the logs and the store take.
SPARE_FILES = 128
# What arrived before listening ended needs a moment to be read, or its connection would be reset.
LAST_REQUESTS_SECONDS = 0.5


def run(host: str, port: int) -> int:
    """Serve until the process is told to stop; then answer the requests in flight and write the logs.

    Args:
        host: address to listen on.
        port: 0 for any free one; printed.

    Returns:
        The exit code: 1, the server could not start.

    Raises:
        ConfigError: a setting can't be used, or the address is taken.
    """
    settings = Settings.from_environment(os.environ)
    with listen(host, port) as listener:
        service = Service(settings, registry)
        server = Server(service)
        shown = f"[{host}]" if ":" in host else host
        sys.stdout.write(f"Serving on http://{shown}:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        service.start()
        try:
            server.run(sockets=[listener])
        finally:
            service.stop()
    return 0 if server.started else 1


class Server(uvicorn.Server):
    """Takes leave before it goes: after SIGTERM it isn't ready, and answers all the same for a while.

    Ctrl-C ends it without that: a person doesn't want to wait for load balancers.

    Args:
        service: what answers.
    """

    def __init__(self, service: Service) -> None:
        super().__init__(_configuration(service))
        self._service = service
        self._drains = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Be told to stop."""
        self._service.stopping = True
        self._drains |= sig == signal.SIGTERM
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take leave, stop listening, then let the requests in flight finish."""
        self._service.stopping = True
        if self._drains:
            await self._wait(self._service.settings.drain_seconds)
            for server in self.servers:
                server.close()
            await self._wait(LAST_REQUESTS_SECONDS)
        await super().shutdown(sockets)

    async def _wait(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        # A second Ctrl-C ends it, and only sets a flag.
        while time.monotonic() < ends and not self.force_exit:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def _configuration(service: Service) -> uvicorn.Config:
    """Return how uvicorn runs the service."""
    settings = service.settings
    connections = Connections(
        min(settings.max_connections, _allow_files(settings.max_connections + SPARE_FILES) - SPARE_FILES),
        header_seconds=settings.header_timeout_seconds,
        answer_seconds=settings.body_timeout_seconds,
        closed=service.metrics.shed.labels("connections").inc,
    )
    return uvicorn.Config(
        _guarded(service),
        # In the image there is no other; what is tested is to be what runs there.
        loop="asyncio",
        http=bounded(connections),
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=math.ceil(settings.stop_timeout_seconds - settings.drain_seconds),
    )


def _allow_files(count: int) -> int:
    """Raise the limit on this process's open files towards a number, and return what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return count if soft == resource.RLIM_INFINITY else soft


def _guarded(service: Service) -> ASGIApp:
    """Return the web application behind what holds for every request."""
    limited = RequestLimits(
        create_app(service),
        settings=service.settings,
        queued=QUEUED,
        shed=lambda reason: service.metrics.shed.labels(reason).inc(),
        stopping=lambda: service.stopping,
    )
    return RequestMetrics(limited, metrics=service.metrics, routes=ROUTES | PAGES)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        ConfigError: the address is taken, or isn't this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only where the protocol is named does asyncio send small answers at once, without a wait of 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        raise ConfigError(
            f"can't listen on {host} port {port}: {error}",
            "choose another port with --port, or --port 0 for any free one",
        ) from None
    return listener
