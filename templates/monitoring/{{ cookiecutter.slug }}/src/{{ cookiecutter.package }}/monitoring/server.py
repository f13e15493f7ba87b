"""The monitor over HTTP: metrics for Prometheus, reports for people, and a webhook for Alertmanager."""

from __future__ import annotations

import html
import logging
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Protocol

from {{ cookiecutter.package }}.errors import ConfigError

from . import alerts
from .check import HTML_FILE, JSON_FILE, PERFORMANCE_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from .metrics import Receipts
    from .retrain import Retrainer

LOGGER = logging.getLogger(__name__)
Answer = tuple[int, str, bytes]
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
METRICS = "text/plain; version=0.0.4; charset=utf-8"
WEBHOOK = "/alerts"
MAX_BODY_BYTES = 1 << 20
TIMEOUT_SECONDS = 10
# The report shows what clients sent: its scripts run in an origin of their own, cut off from all others.
REPORT_POLICY = "sandbox allow-scripts allow-downloads"


class Monitor(Protocol):
    """What is served, as far as a server has to know it."""

    @property
    def status(self) -> str:
        """What it does, in a line."""


class Server(ThreadingHTTPServer):
    """Serves a monitor until `shutdown`, with a thread for each request.

    Args:
        host: address to listen on.
        port: port, 0 for any free one.
        monitor: whose status is served.
        metrics: that are served.
        reports: folder of the reports.
        retrainer: started by alerts.

    Raises:
        ConfigError: the address can't be had.
    """

    daemon_threads = True

    def __init__(
        self,
        host: str,
        port: int,
        *,
        monitor: Monitor,
        metrics: Receipts,
        reports: Path,
        retrainer: Retrainer,
    ) -> None:
        self.monitor = monitor
        self.metrics = metrics
        self.reports = reports
        self.retrainer = retrainer
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"can't listen on {host} port {port}: {error}",
                "choose another port with --port, or --port 0 for any free one",
            ) from None

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002, the base class's
        """Log what went wrong with a request; that a client went away or fell silent is no news."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):
            LOGGER.error("a request failed", exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = TIMEOUT_SECONDS
    server_version = "monitor"
    sys_version = ""

    def do_GET(self) -> None:
        monitor = self.server.monitor
        match self.path.partition("?")[0]:
            case "/":
                answer = self._file(HTML_FILE, HTML)
            case "/performance":
                answer = self._file(PERFORMANCE_FILE, HTML)
            case "/drift.json":
                answer = self._file(JSON_FILE, "application/json")
            case "/metrics":
                answer = 200, METRICS, self.server.metrics.render()
            case "/healthz":
                answer = 200, TEXT, monitor.status.encode()
            case _:
                answer = 404, TEXT, b"not found"
        self._send(answer)

    def do_POST(self) -> None:
        self._send(self._alerts() if self.path == WEBHOOK else (404, TEXT, b"not found"))

    def _alerts(self) -> Answer:
        if (refusal := self._refusal()) is not None:
            return refusal
        try:
            wanted = alerts.fingerprints(self.rfile.read(int(self.headers["Content-Length"])))
        except ValueError as error:
            return 400, TEXT, str(error).encode()
        outcome = self.server.retrainer.start(wanted) if wanted else "ignored"
        self.server.metrics.alerted(outcome)
        # Alertmanager tries a message again that ended in a server error.
        return (503 if outcome == "failed" else 200), TEXT, outcome.encode()

    def _refusal(self) -> Answer | None:
        """Say what is wrong with a message before any of it is read."""
        expected = alerts.token()
        if not expected:
            return 503, TEXT, f"no token is set: put one into {alerts.TOKEN_FILE} or ALERT_TOKEN".encode()
        if not alerts.authorized(self.headers.get("Authorization"), expected):
            return 401, TEXT, b"the bearer token is missing or wrong"
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            return 411, TEXT, b"Content-Length is needed"
        if len(length) > len(str(MAX_BODY_BYTES)) or int(length) > MAX_BODY_BYTES:
            return 413, TEXT, f"at most {MAX_BODY_BYTES} bytes".encode()
        return None

    def _file(self, name: str, media_type: str) -> Answer:
        try:
            return 200, media_type, (self.server.reports / name).read_bytes()
        except FileNotFoundError:
            status = html.escape(self.server.monitor.status)
            return 404, HTML, f"<p>No report yet. {status}</p>".encode()

    def _send(self, answer: Answer) -> None:
        status, media_type, content = answer
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", REPORT_POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002, the base class's name
        """Leave requests out of the log: a scrape every few seconds would bury the rest."""
