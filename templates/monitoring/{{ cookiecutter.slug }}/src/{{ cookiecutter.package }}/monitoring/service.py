"""A check at regular times, and what it found in words."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from {{ cookiecutter.package }}.errors import ProjectError

from .check import Checker, Judged, Skipped

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
    excess = {
        name: column.score / column.threshold for name, column in outcome.columns.items() if column.drifted
    }
    names = sorted(excess, key=lambda name: -excess[name])
    found = f"{outcome.drifted} of {len(outcome.columns)} columns drifted (share {outcome.share:.2f})"
    where = f"{outcome.rows['current']} predictions of version {outcome.model_version}"
    which = f": {', '.join(names)}" if names else ""
    verdict = "drift" if outcome.drift else "no drift"
    parts = [f"{verdict}: {found} in {where}{which}"]
    if problems := [problem for problem in outcome.quality if problem.found]:
        listed = (f"{one.column} {one.problem.replace('_', ' ')} {one.share:.0%}" for one in problems)
        parts.append(f"data quality: {', '.join(listed)}")
    if (measured := outcome.performance) is not None:
        score = f"{measured.metric} {measured.score:.4f} ± {measured.standard_error:.4f}"
        change = "worse than" if measured.degraded else "against"
        parts.append(
            f"{score} on {measured.rows} labels, {change} {measured.test_score:.4f} on the test rows"
        )
    return "; ".join(parts)
