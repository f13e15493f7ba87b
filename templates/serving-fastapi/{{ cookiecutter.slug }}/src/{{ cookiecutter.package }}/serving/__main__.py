"""Run the service: see `python -m {{ cookiecutter.package }}.serving --help`."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

from {{ cookiecutter.package }}.errors import ConfigError, ProjectError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; requests in flight are finished and the prediction log is written first.

    Returns:
        The exit code: 0 stopped as asked, 1 the service could not start.
    """
    parser = argparse.ArgumentParser(
        prog="python -m {{ cookiecutter.package }}.serving",
        description="Serve the champion model over HTTP. Limits and places are set by environment variables"
        " (see serving/settings.py), such as MODEL_POLL_SECONDS, MAX_ROWS or PREDICTION_LOG.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="port, 0 for any free one (%(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # uvicorn stops in good order on SIGTERM and then raises it again: to be asked to stop is not a failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        return _serve(options.host, options.port)
    except KeyboardInterrupt:
        return 0
    except ProjectError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


def _serve(host: str, port: int) -> int:
    # Requests run side by side already; OpenMP threads within each would compete for the same processors.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import uvicorn

    from {{ cookiecutter.package }} import registry

    from .app import create_app
    from .protocol import bounded
    from .settings import Settings

    settings = Settings.from_environment(os.environ)
    with _listen(host, port) as listener:
        config = uvicorn.Config(
            create_app(settings, registry),
            http=bounded(settings.header_timeout_seconds),
            ws="none",
            access_log=False,
            log_config=None,
            server_header=False,
            limit_concurrency=settings.max_connections,
            timeout_graceful_shutdown=settings.stop_timeout_seconds,
        )
        shown = f"[{host}]" if ":" in host else host
        sys.stdout.write(f"Serving on http://{shown}:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        server = uvicorn.Server(config)
        server.run(sockets=[listener])
    return 0 if server.started else 1


def _listen(host: str, port: int) -> socket.socket:
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


if __name__ == "__main__":
    sys.exit(main())
