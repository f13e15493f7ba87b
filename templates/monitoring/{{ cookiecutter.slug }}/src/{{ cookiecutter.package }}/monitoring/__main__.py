"""Check for drift: `python -m {{ cookiecutter.package }}.monitoring check|serve`."""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from {{ cookiecutter.package }}.errors import ConfigError, ProjectError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .check import Options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit code: 0 done (drift or not), 1 the command failed, or found drift under --fail-on-drift.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        return _check(options) if options.command == "check" else _serve(options)
    except (ProjectError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--log",
        type=Path,
        default=Path(os.environ.get("PREDICTION_LOG") or "logs/predictions"),
        help="folder of the prediction log ($PREDICTION_LOG, else logs/predictions)",
    )
    common.add_argument(
        "--reports", type=Path, default=Path("reports"), help="folder for the reports (%(default)s)"
    )
    common.add_argument(
        "--window", type=_count, default=5000, help="most predictions to look at, the newest (%(default)s)"
    )
    common.add_argument(
        "--min-rows", type=_count, default=100, help="fewest predictions that allow a judgement (%(default)s)"
    )
    common.add_argument(
        "--share", type=_share, default=0.5, help="share of drifted columns that makes it drift (%(default)s)"
    )
    parser = argparse.ArgumentParser(
        prog="python -m {{ cookiecutter.package }}.monitoring",
        description="Compare the newest logged predictions with the rows that the champion was trained on.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser(
        "check",
        parents=[common],
        help="check once; writes drift.html and drift.json if there is enough to judge",
    )
    check.add_argument("--fail-on-drift", action="store_true", help="exit with 1 when there is drift")
    serve = commands.add_parser(
        "serve", parents=[common], help="check regularly; serve the metrics and the report"
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    serve.add_argument("--port", type=int, default=9100, help="port, 0 for any free one (%(default)s)")
    serve.add_argument("--interval", type=_seconds, default=60.0, help="seconds between checks (%(default)s)")
    serve.add_argument(
        "--on-drift",
        type=shlex.split,
        metavar="COMMAND",
        help="run this on drift, without a shell: 'make pipeline'",
    )
    serve.add_argument(
        "--cooldown", type=_seconds, default=3600.0, help="seconds between two such runs (%(default)s)"
    )
    return parser


def _check(options: argparse.Namespace) -> int:
    from {{ cookiecutter.package }} import registry

    from .check import HTML_FILE, Checker, Judged
    from .service import describe

    outcome = Checker(registry, _options(options)).check()
    sys.stdout.write(f"{describe(outcome)}\n")
    if isinstance(outcome, Judged):
        sys.stdout.write(f"report: {options.reports / HTML_FILE}\n")
        return 1 if outcome.drift and options.fail_on_drift else 0
    return 0


def _serve(options: argparse.Namespace) -> int:
    from {{ cookiecutter.package }} import registry

    from .check import Checker
    from .retrain import Retrainer
    from .service import Monitor, listen

    retrainer = None
    if options.on_drift:
        retrainer = Retrainer(options.on_drift, options.cooldown, options.reports / "retrain.json")
    monitor = Monitor(Checker(registry, _options(options)), options.interval, retrainer)
    with listen(options.host, options.port, monitor, options.reports) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: monitor.stop())
        threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
        sys.stdout.write(f"Monitoring on http://{options.host}:{server.server_address[1]}\n")
        sys.stdout.flush()
        monitor.run()
        server.shutdown()
    return 0


def _options(options: argparse.Namespace) -> Options:
    from .check import Options

    if options.min_rows > options.window:
        raise ConfigError(
            f"--min-rows {options.min_rows} can never be reached with --window {options.window}",
            "give a window of at least as many rows",
        )
    return Options(
        prediction_log=options.log,
        reports=options.reports,
        window=options.window,
        min_rows=options.min_rows,
        share=options.share,
    )


def _count(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _seconds(text: str) -> float:
    if not 0 < (value := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError("must be a number of seconds above 0")
    return value


def _share(text: str) -> float:
    if not 0 < (value := float(text)) <= 1:
        raise argparse.ArgumentTypeError("must be above 0 and at most 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
