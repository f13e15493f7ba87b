"""A check at regular times, and what it found in words."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from {{ cookiecutter.package }}.errors import ProjectError

from .check import COMPARED, Checker, Judged, Skipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from .metrics import Metrics

LOGGER = logging.getLogger(__name__)


class Monitor:
    """Repeats a check and keeps its metrics.

    Args:
        checker: what to repeat.
        interval_seconds: from the start of one check to the next.
        metrics: where to count.
        publish: given what a check found whenever the verdict is a new one.
    """

    def __init__(
        self,
        checker: Checker,
        interval_seconds: float,
        metrics: Metrics,
        publish: Callable[[Judged], object] = lambda _: None,
    ) -> None:
        self._checker = checker
        self._interval_seconds = interval_seconds
        self._metrics = metrics
        self._publish = publish
        self._published: tuple[str, bool] | None = None
        self._stopping = threading.Event()
        self.status = "the first check is under way"

    def run(self) -> None:
        """Check until `stop` is called; a check that fails is counted, and the next one comes in time."""
        while not self._stopping.is_set():
            started = time.monotonic()
            self.check()
            self._stopping.wait(max(0.0, self._interval_seconds - (time.monotonic() - started)))

    def stop(self) -> None:
        """Ask `run` to return; safe to call in a signal handler."""
        self._stopping.set()

    def check(self) -> None:
        """Check once."""
        started = time.monotonic()
        try:
            outcome = self._checker.check()
        except Exception as error:
            LOGGER.exception("the check failed")
            self._metrics.failed()
            self.status = f"the last check failed: {type(error).__name__}"
            return
        self._metrics.checked(outcome, time.monotonic() - started)
        if (status := describe(outcome)) != self.status:
            self.status = status
            LOGGER.info("%s", status)
        if isinstance(outcome, Judged):
            self._publish_news(outcome)

    def _publish_news(self, judged: Judged) -> None:
        verdict = (judged.model_version, judged.alarming)
        if verdict == self._published:
            return
        try:
            self._publish(judged)
        except (ProjectError, OSError) as error:
            LOGGER.warning("the report could not be published: %s", error)
        else:
            self._published = verdict


class Receiver:
    """Waits for alerts, and checks nothing."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self.status = "waits for alerts; something else checks"

    def run(self) -> None:
        """Wait until `stop` is called."""
        self._stopping.wait()

    def stop(self) -> None:
        """Ask `run` to return; safe to call in a signal handler."""
        self._stopping.set()


def describe(outcome: Skipped | Judged) -> str:
    """Say what a check found, in a line."""
    if isinstance(outcome, Skipped):
        return f"nothing to judge: {outcome.reason}"
    parts = [_inputs(outcome)]
    if problems := [problem for problem in outcome.quality if problem.found]:
        listed = (f"{one.column} {one.problem.replace('_', ' ')} {one.share:.0%}" for one in problems)
        parts.append(f"data quality: {', '.join(listed)}")
    return "; ".join([*parts, _answers(outcome), *_performance(outcome)])


def _inputs(judged: Judged) -> str:
    features = {name: column for name, column in judged.columns.items() if name in COMPARED}
    excess = {name: column.score / column.threshold for name, column in features.items() if column.drifted}
    names = sorted(excess, key=lambda name: -excess[name])
    which = f": {', '.join(names)}" if names else ""
    found = f"{judged.drifted} of {len(features)} features drifted (share {judged.share:.2f})"
    verdict = "drift" if judged.drift else "no drift"
    return f"{verdict}: {found} in {judged.rows['current']} predictions{which}"


def _answers(judged: Judged) -> str:
    whose = f"{judged.rows['champion']} answers of version {judged.model_version}"
    if judged.prediction_drift is None:
        return f"{whose} are too few to judge them yet"
    return f"{whose} {'drifted' if judged.prediction_drift else 'are as in training'}"


def _performance(judged: Judged) -> list[str]:
    own, others = judged.labels["champion"], judged.labels["other"]
    rest = [f"{others} labels are of other versions' answers"] if others else []
    if (measured := judged.performance) is not None:
        score = f"{measured.metric} {measured.score:.4f} ± {measured.standard_error:.4f}"
        change = "worse than" if measured.degraded else "against"
        test = f"{change} {measured.test_score:.4f} on the test rows"
        return [f"{score} on {measured.rows} labels, {test}", *rest]
    if own or others:
        return [f"{own} labels of its answers don't allow to judge its performance yet", *rest]
    return []
