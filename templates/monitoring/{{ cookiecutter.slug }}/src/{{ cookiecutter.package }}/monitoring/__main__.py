"""The commands of monitoring: check, serve, receive and retrain."""

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

from . import DEFAULT_LOG

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .check import Options
    from .metrics import Receipts
    from .retrain import Retrainer
    from .server import Server

ALARM = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit code: 0 done, 1 failed, 3 the check found drift, or a model that became worse, 4 there was
        nothing new to train on.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        return int(options.run(options))
    except (ProjectError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    logged = argparse.ArgumentParser(add_help=False)
    logged.add_argument(
        "--log",
        default=os.environ.get("PREDICTION_LOG") or DEFAULT_LOG,
        help="the prediction log: a folder or s3://bucket/prefix ($PREDICTION_LOG, else logs/predictions)",
    )
    common = argparse.ArgumentParser(add_help=False, parents=[logged])
    common.add_argument(
        "--reports", type=Path, default=Path("reports"), help="folder for the reports (%(default)s)"
    )
    common.add_argument(
        "--window", type=_count, default=5000, help="most predictions to look at, the newest (%(default)s)"
    )
    common.add_argument(
        "--min-rows",
        type=_count,
        default=100,
        help="fewest predictions, answers or labels that allow a judgement (%(default)s)",
    )
    common.add_argument(
        "--share", type=_share, default=0.5, help="share of drifted features that is drift (%(default)s)"
    )
    common.add_argument(
        "--tolerance",
        type=_tolerance,
        default=0.02,
        help="how far the metric may fall below that on the test rows, beyond its uncertainty (%(default)s)",
    )
    listening = argparse.ArgumentParser(add_help=False)
    listening.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    listening.add_argument("--port", type=int, default=9100, help="port, 0 for any free one (%(default)s)")
    listening.add_argument(
        "--retrain-command",
        type=shlex.split,
        metavar="COMMAND",
        help="what an alert starts, without a shell; code 4 means nothing new (this program's own: retrain)",
    )
    listening.add_argument(
        "--cooldown",
        type=_seconds,
        default=86400.0,
        help="seconds before the same alert starts another training (%(default)s)",
    )
    parser = argparse.ArgumentParser(
        prog="python -m {{ cookiecutter.package }}.monitoring",
        description="Compare the newest logged predictions with the rows that the champion was trained on.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser(
        "check",
        parents=[common],
        help="check once and write the reports; exit code 3 means drift, or a model that became worse",
    )
    check.add_argument("--publish", action="store_true", help="store the reports {% if cookiecutter.tracking %}in MLflow{% else %}in ARTIFACT_BUCKET{% endif %} too")
    check.add_argument("--exit-zero", action="store_true", help="exit with 0 instead of 3")
    check.add_argument("--retrain", action="store_true", help="in that case train anew; the gate decides")
    check.set_defaults(run=_check)
    serve = commands.add_parser(
        "serve",
        parents=[common, listening],
        help="check regularly; serve the metrics and the reports; train anew when Alertmanager says so",
    )
    serve.add_argument(
        "--interval",
        type=_seconds,
        default=60.0,
        help="seconds between checks; alerts.yml takes 900 without one for a standstill (%(default)s)",
    )
    serve.set_defaults(run=_serve)
    receive = commands.add_parser(
        "receive",
        parents=[{% if cookiecutter.serving != "none" %}logged, {% endif %}listening],
        help="check nothing; train anew when Alertmanager says so, beside a `serve`",
    )
    receive.add_argument(
        "--state",
        type=Path,
        default=Path("reports/retraining.json"),
        help="file that remembers what was started (%(default)s)",
    )
    receive.set_defaults(run=_receive)
    retrain = commands.add_parser(
        "retrain",
{%- if cookiecutter.serving != "none" %}
        parents=[logged],
{%- endif %}
        help="train anew, on Kubeflow if KFP_ENDPOINT is set, else here; exit code 4 means nothing is new",
    )
    retrain.set_defaults(run=_retrain)
    return parser


def _check(options: argparse.Namespace) -> int:
    from {{ cookiecutter.package }} import registry

    from .check import HTML_FILE, Checker, Judged
    from .publish import publish
    from .retrain import NOTHING_NEW
    from .service import describe

    outcome = Checker(registry, _options(options)).check()
    print(describe(outcome))
    if not isinstance(outcome, Judged):
        return 0
    print(f"report: {options.reports / HTML_FILE}")
    if options.publish and (where := publish(options.reports, outcome)):
        print(f"published: {where}")
    if not outcome.alarming:
        return 0
    code = _retrain(options) if options.retrain else 0
    if code not in {0, NOTHING_NEW}:
        return code
    return 0 if options.exit_zero else ALARM


def _retrain({% if cookiecutter.serving == "none" %}_{% else %}options{% endif %}: argparse.Namespace) -> int:
    from . import training

    return training.run({% if cookiecutter.serving != "none" %}options.log{% endif %})


def _serve(options: argparse.Namespace) -> int:
    from {{ cookiecutter.package }} import registry

    from .check import Checker
    from .metrics import Metrics
    from .publish import publish
    from .server import Server
    from .service import Monitor

    metrics = Metrics()
    checker = Checker(registry, _options(options))
    monitor = Monitor(checker, options.interval, metrics, lambda judged: publish(options.reports, judged))
    retrainer = _retrainer(options, options.reports / "retraining.json", metrics)
    with Server(
        options.host,
        options.port,
        monitor=monitor,
        metrics=metrics,
        reports=options.reports,
        retrainer=retrainer,
    ) as server:
        _run(server, options.host, monitor.run, monitor.stop)
    return 0


def _receive(options: argparse.Namespace) -> int:
    from .metrics import Receipts
    from .server import Server
    from .service import Receiver

    metrics, receiver = Receipts(), Receiver()
    retrainer = _retrainer(options, options.state, metrics)
    with Server(
        options.host,
        options.port,
        monitor=receiver,
        metrics=metrics,
        reports=options.state.parent,
        retrainer=retrainer,
    ) as server:
        _run(server, options.host, receiver.run, receiver.stop)
    return 0


def _retrainer(options: argparse.Namespace, state: Path, metrics: Receipts) -> Retrainer:
    from .retrain import COMMAND, Retrainer

    retrainer = Retrainer(
        options.retrain_command or [*COMMAND{% if cookiecutter.serving != "none" %}, "--log", options.log{% endif %}],
        options.cooldown,
        state,
        metrics.retrained,
    )
    metrics.watch(lambda: retrainer.running)
    return retrainer


def _run(server: Server, host: str, run: Callable[[], None], stop: Callable[[], None]) -> None:
    """Serve until a signal asks to stop, while `run` does its work."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    print(f"Monitoring on http://{host}:{server.server_address[1]}", flush=True)
    run()
    server.shutdown()  # first, or an alert could still start a training, which nobody would stop
    server.retrainer.stop()


def _options(options: argparse.Namespace) -> Options:
    from .check import Options

    if options.min_rows > options.window:
        raise ConfigError(
            f"--min-rows {options.min_rows} can never be reached with --window {options.window}",
            "give a window of at least as many rows",
        )
    return Options(
        log=options.log,
        reports=options.reports,
        window=options.window,
        min_rows=options.min_rows,
        share=options.share,
        tolerance=options.tolerance,
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


def _tolerance(text: str) -> float:
    if not 0 <= (value := float(text)) < 1:
        raise argparse.ArgumentTypeError("must be from 0 and below 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
