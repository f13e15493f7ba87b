"""The service: run it, or collect what it learned."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from {{ cookiecutter.package }}.errors import ProjectError

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_DAYS = 36_500


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C, or run another action.

    Returns:
        The exit code: 0 stopped as asked or done, 1 it could not be done.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # It tells of every client where the settings were found.
    logging.getLogger("botocore").setLevel(logging.WARNING)
    # uvicorn stops in good order on SIGTERM and then raises it again: to be asked to stop is not a failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        return 0
    except ProjectError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m {{ cookiecutter.package }}.serving",
        description="Serve the champion model over HTTP. Limits and places are set by environment variables"
        " (see serving/settings.py), such as MODEL_POLL_SECONDS, MAX_ROWS or PREDICTION_LOG.",
    )
    parser.set_defaults(run=_serve)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="port, 0 for any free one (%(default)s)")
    help_text = "make training data of the predictions whose true labels have arrived"
    collect = parser.add_subparsers(metavar="").add_parser("collect", help=help_text, description=help_text)
    collect.set_defaults(run=_collect)
    collect.add_argument("--days", type=_days, default=90, help="how far back the log is read (%(default)s)")
    return parser


def _days(text: str) -> float:
    with contextlib.suppress(ValueError):
        days = float(text)
        if 0 < days <= MOST_DAYS:  # nan is neither
            return days
    raise argparse.ArgumentTypeError(f"{text!r} is no number of days; give one above 0, up to {MOST_DAYS}")


def _serve(options: argparse.Namespace) -> int:
    # Requests run side by side already; OpenMP threads within each would compete for the same processors.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from . import server

    return server.run(options.host, options.port)


def _collect(options: argparse.Namespace) -> int:
    from datetime import UTC, datetime, timedelta

    from . import collect
    from .settings import Settings

    since = datetime.now(UTC) - timedelta(days=options.days)
    log = Settings.from_environment(os.environ).prediction_log
    sys.stdout.write(f"{collect.collect(log, since)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
