"""The monitor as a service: a check at regular times, its metrics and its report over HTTP."""

from __future__ import annotations

import html
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from {{ cookiecutter.package }}.errors import ConfigError

from .check import HTML_FILE, JSON_FILE, Checker, Judged, Skipped
from .metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .retrain import Retrainer

LOGGER = logging.getLogger(__name__)
Answer = tuple[int, str, bytes]
# The report shows what clients sent: its scripts run in an origin of their own, cut off from all others.
REPORT_POLICY = "sandbox allow-scripts allow-downloads"


class Monitor:
    """Repeats a check and keeps its metrics.

    Args:
        checker: what to repeat.
        interval_seconds: from the start of one check to the next.
        retrainer: started on drift, if given.
    """

    def __init__(self, checker: Checker, interval_seconds: float, retrainer: Retrainer | None = None) -> None:
        self._checker = checker
        self._interval_seconds = interval_seconds
        self._retrainer = retrainer
        self._stopping = threading.Event()
        self.metrics = Metrics()
        self.status = "the first check is under way"

    def run(self) -> None:
        """Check until `stop` is called; a check that fails is counted, and the next one comes in time."""
        while not self._stopping.is_set():
            started = time.monotonic()
            self.check()
            self._stopping.wait(max(0.0, self._interval_seconds - (time.monotonic() - started)))
        if self._retrainer is not None:
            self._retrainer.stop()

    def stop(self) -> None:
        """Ask `run` to return; safe to call in a signal handler."""
        self._stopping.set()

    def check(self) -> None:
        """Check once, and start retraining if that is wanted and due."""
        started = time.monotonic()
        drift = False
        try:
            outcome = self._checker.check()
        except Exception as error:
            LOGGER.exception("the check failed")
            self.metrics.failed()
            self.status = f"the last check failed: {type(error).__name__}"
        else:
            self.metrics.checked(outcome, time.monotonic() - started)
            self.status = describe(outcome)
            LOGGER.info("%s", self.status)
            drift = isinstance(outcome, Judged) and outcome.drift
        self._retrain(drift=drift)

    def _retrain(self, *, drift: bool) -> None:
        if self._retrainer is None:
            return
        code = self._retrainer.finished()
        if code is not None:
            self.metrics.retrained(succeeded=code == 0)
        if drift:
            try:
                self._retrainer.start_if_due()
            except OSError as error:
                LOGGER.error("retraining could not be started: %s", error)  # noqa: TRY400
                self.metrics.retrained(succeeded=False)
        self.metrics.retraining(running=self._retrainer.running)


def describe(outcome: Skipped | Judged) -> str:
    """Say what a check found, in a line."""
    if isinstance(outcome, Skipped):
        return f"nothing to judge: {outcome.reason}"
    excess = {
        name: column.score / column.threshold for name, column in outcome.columns.items() if column.drifted
    }
    names = sorted(excess, key=lambda name: -excess[name])
    found = f"{outcome.drifted} of {len(outcome.columns)} columns drifted (share {outcome.share:.2f})"
    where = f"{outcome.rows['current']} predictions of version {outcome.model_version}"
    which = f": {', '.join(names)}" if names else ""
    verdict = "drift" if outcome.drift else "no drift"
    return f"{verdict}: {found} in {where}{which}"


def listen(host: str, port: int, monitor: Monitor, reports: Path) -> ThreadingHTTPServer:
    """Open the monitor's HTTP server; `serve_forever` of what is returned serves it.

    Args:
        host: address to listen on.
        port: port, 0 for any free one.
        monitor: whose metrics and status are served.
        reports: folder of the reports.

    Raises:
        ConfigError: the address can't be had.
    """
    routes: dict[str, Callable[[], Answer]] = {
        "/": lambda: _file(reports / HTML_FILE, "text/html; charset=utf-8", monitor.status),
        "/drift.json": lambda: _file(reports / JSON_FILE, "application/json", monitor.status),
        "/metrics": lambda: (200, "text/plain; version=0.0.4; charset=utf-8", monitor.metrics.render()),
        "/healthz": lambda: (200, "text/plain; charset=utf-8", monitor.status.encode()),
    }

    class Handler(BaseHTTPRequestHandler):
        timeout = 10
        server_version = "monitor"
        sys_version = ""

        def do_GET(self) -> None:
            """Answer one of the routes."""
            route = routes.get(self.path.partition("?")[0])
            answer: Answer = (404, "text/plain; charset=utf-8", b"not found") if route is None else route()
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

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    try:
        return Server((host, port), Handler)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"can't listen on {host} port {port}: {error}",
            "choose another port with --port, or --port 0 for any free one",
        ) from None


def _file(path: Path, media_type: str, status: str) -> Answer:
    try:
        return 200, media_type, path.read_bytes()
    except FileNotFoundError:
        return 404, "text/html; charset=utf-8", f"<p>No report yet. {html.escape(status)}</p>".encode()
