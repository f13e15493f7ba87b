"""The order of the tour, and what happens when a step fails: the environment goes down in any case."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from seedbed.environments.operations import Progress
from seedbed.errors import ConflictError, SeedbedError
from seedbed.signals import termination_as_interrupt
from seedbed.tour.report import Report, StepResult
from seedbed.tour.state import Tour

_MARK = ".seedbed-tour"


@dataclass(frozen=True)
class Options:
    """How to run the tour.

    Attributes:
        into: the folder for the report, the drift report, the logs and, while it runs, the project.
        keep: leave the environment and the service running, and the project in place.
        progress: told about everything that happens.
        on_step: told the number and title of each step that begins, and its result when it has ended.
    """

    into: Path
    keep: bool = False
    progress: Progress = field(default_factory=Progress)
    on_step: Callable[[int, str, StepResult | None], None] = lambda _number, _title, _result: None


def run(options: Options) -> Report:
    """Run all steps; the report is written whatever happens, and its `ok` says how it went.

    Raises:
        ConflictError: `into` holds something that no tour made.
        KeyboardInterrupt: after everything was taken down.
    """
    from seedbed.tour import steps

    into = options.into.resolve()
    _claim(into)
    tour = Tour(into, options.progress)
    interrupted: KeyboardInterrupt | None = None
    try:
        with termination_as_interrupt():
            for number, (title, step) in enumerate(steps.STEPS, start=1):
                _run_step(tour, options, number, title, step)
        tour.report.ok = True
    except SeedbedError as error:
        tour.report.error = f"{error.message}\n{error.hint}".strip()
    except KeyboardInterrupt as error:
        tour.report.error = "Interrupted"
        interrupted = error
    if options.keep and tour.report.ok:
        tour.write_running()
    else:
        try:
            _run_step(tour, options, len(steps.STEPS) + 1, *steps.TAKE_DOWN)
        except SeedbedError as error:
            tour.report.ok = False
            tour.report.leftovers = error.details.get("leftovers", [])
            tour.report.error = f"{tour.report.error}\n{error.message}\n{error.hint}".strip()
        if not tour.report.leftovers and tour.report.ok:
            shutil.rmtree(tour.root)
    tour.report.write(into / "report.json")
    if interrupted:
        raise interrupted
    return tour.report


def _run_step(tour: Tour, options: Options, number: int, title: str, step: Callable[[Tour], str]) -> None:
    options.on_step(number, title, None)
    started = time.monotonic()
    result = StepResult(title, 0.0, ok=False, summary="interrupted")
    tour.report.steps.append(result)
    try:
        result.summary = step(tour)
        result.ok = True
    except Exception as error:
        result.summary = getattr(error, "message", str(error))
        if isinstance(error, SeedbedError):
            raise
        raise SeedbedError(
            f"The step failed in a way it should not: {type(error).__name__}: {error}", hint=f"Logs: {tour.logs}"
        ) from error
    finally:
        result.seconds = time.monotonic() - started
        options.on_step(number, title, result)


def _claim(into: Path) -> None:
    """Make the folder, or empty the one of an earlier tour; anything else is not touched."""
    if into.exists() and any(into.iterdir()):
        if not (into / _MARK).is_file():
            raise ConflictError(f"{into} is not empty, and no tour made it", hint="Name another folder with --into.")
        if (into / Tour.PROJECT / ".seedbed" / "environments" / Tour.ENVIRONMENT).is_dir():
            raise ConflictError(
                f"The environment of an earlier tour is still there, in {into / Tour.PROJECT}",
                hint=f"Take it down first: seedbed down dev --yes --project {into / Tour.PROJECT}",
            )
        shutil.rmtree(into)
    into.mkdir(parents=True, exist_ok=True)
    (into / _MARK).touch()
