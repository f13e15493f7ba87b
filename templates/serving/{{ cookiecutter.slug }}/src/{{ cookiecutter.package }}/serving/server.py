"""The web server around the service: its bounds, its listening socket, its orderly end."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

import uvicorn

from {{ cookiecutter.package }} import registry
from {{ cookiecutter.package }}.errors import ConfigError

from .app import PAGES, create_app
from .limits import BodyLimits
from .metrics import RequestMetrics
from .protocol import bounded
from .service import ROUTES, Service
from .settings import Settings

if TYPE_CHECKING:
    from .asgi import ASGIApp


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
        server = uvicorn.Server(configuration(service))
        shown = f"[{host}]" if ":" in host else host
        sys.stdout.write(f"Serving on http://{shown}:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        service.start()
        try:
            server.run(sockets=[listener])
        finally:
            service.stop()
    return 0 if server.started else 1


def configuration(service: Service) -> uvicorn.Config:
    """Return how uvicorn runs the service."""
    settings = service.settings
    return uvicorn.Config(
        _guarded(service),
        http=bounded(settings.header_timeout_seconds),
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        limit_concurrency=settings.max_connections,
        timeout_graceful_shutdown=settings.stop_timeout_seconds,
    )


def _guarded(service: Service) -> ASGIApp:
    """Return the web application behind what holds for every request."""
    settings = service.settings
    limited = BodyLimits(
        create_app(service),
        max_bytes=settings.max_body_bytes,
        timeout_seconds=settings.body_timeout_seconds,
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
