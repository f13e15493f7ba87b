"""Whether a new model replaces the champion: a pure function of measured scores.

Model and linear baseline are compared by cross-validation on the training rows; by the test rows only where
that was left out. Whoever picks models by their test rows can no longer trust them: the luckiest of several
wins, and its figures promise more than it keeps. And where the data has a time column the test rows are one
short period at the end, which says little about two models that are nearly as good. So the test rows decide
only what nothing else can: whether the model is of any use on them, and whether it is a match for the
champion, which may have been trained on the rows that are folds here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

NOISE_ERRORS = 2.0  # standard errors within which model and baseline can't be told apart


@dataclass(frozen=True, slots=True)
class Duel:
    """The new model and the champion, on test rows that neither was trained on.

    Attributes:
        metric: what they were compared by.
        candidate: the new model's.
        champion: the present champion's.
        rows: how many rows they were measured on.
    """

    metric: str
    candidate: float
    champion: float
    rows: int


@dataclass(frozen=True, slots=True)
class Scores:
    """The primary metric of everything the gate compares. Higher is better.

    Attributes:
        metric: its name.
        candidate: the new model's, on all test rows.
        baseline: a linear model's, on the same rows.
        constant: that of an answer which ignores the features, on the same rows.
        lead: how far candidate is ahead of baseline: the mean over the folds of the cross-validation, or on
            the test rows where it was left out.
        noise: standard error of `lead`.
        folds: of the cross-validation; 0 if it was left out.
        duel: the comparison with the champion; None if there is no champion.
    """

    metric: str
    candidate: float
    baseline: float
    constant: float
    lead: float
    noise: float
    folds: int = 0
    duel: Duel | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a candidate, and the figures behind it.

    Attributes:
        promoted: whether it was made the champion.
        reason: one sentence for a person.
        metric: the metric that decided.
        candidate: its value for the new model: on the rows of the comparison with the champion if there was
            one, else on all test rows.
        champion: its value for the champion of before, on the same rows.
        baseline: its value for the stronger of the linear model and the constant answer, on all test rows.
        version: the new model's version in the registry.
        unchanged: whether the registry had this very model already, and stays as it was: then it was neither
            promoted nor refused.
    """

    promoted: bool
    reason: str
    metric: str
    candidate: float
    champion: float | None
    baseline: float
    version: str = ""
    unchanged: bool = False

    def __str__(self) -> str:
        """Return what became of it, for a person."""
        outcome = "unchanged" if self.unchanged else "promoted" if self.promoted else "refused"
        return f"{outcome}: version {self.version}: {self.reason}"


def scores(metrics: Mapping[str, Any], duel: Duel | None = None) -> Scores:
    """Return what the gate compares.

    Args:
        metrics: what `stages.evaluation` returned.
        duel: the comparison with the champion, if there is one.
    """
    name, crossed = metrics["metric"], metrics["cross_validation"]
    candidate, baseline = metrics["model"][name], metrics["baseline"][name]
    return Scores(
        metric=name,
        candidate=candidate,
        baseline=baseline,
        constant=metrics["constant"][name],
        lead=crossed["lead"]["mean"] if crossed["folds"] else candidate - baseline,
        noise=crossed["lead"]["error"] if crossed["folds"] else metrics["noise"],
        folds=crossed["folds"],
        duel=duel,
    )


def decide(scores: Scores, tolerance: float) -> Decision:
    """Compare a candidate with the constant answer, the baseline and the champion, in that order.

    - It has to beat the constant answer on the test rows: otherwise it is of no use there.
    - It must not be clearly worse than the baseline: by more than the tolerance and the noise of the
      measurement. On small data a good model may lose to a line by chance.
    - It must not be worse than the champion by more than the tolerance.

    Args:
        scores: what was measured.
        tolerance: in units of the metric.
    """
    candidate, duel = scores.candidate, scores.duel
    allowed = max(tolerance, NOISE_ERRORS * scores.noise)
    # `not (a > b)` rather than `a <= b`: a metric that is NaN must refuse.
    promoted = False
    if not candidate > scores.constant:
        figures = f"{scores.metric} {candidate:.4f} on the test rows, against {scores.constant:.4f}"
        reason = f"no better than an answer that ignores the features: {figures}"
    elif not scores.lead >= -allowed:
        reason = f"clearly worse than the linear baseline: {_lead(scores)}, more than {_excused(allowed)}"
    elif duel is not None:
        promoted = duel.candidate >= duel.champion - tolerance
        reason = _meeting(duel, tolerance)
    elif scores.lead > 0:
        promoted = True
        error = f"with a standard error of {scores.noise:.4f}"
        reason = f"better than the linear baseline: {_lead(scores)}, {error}"
    else:
        promoted = True
        reason = f"not clearly worse than the linear baseline: {_lead(scores)}, within {_excused(allowed)}"
    return Decision(
        promoted=promoted,
        reason=reason,
        metric=scores.metric if duel is None else duel.metric,
        candidate=candidate if duel is None else duel.candidate,
        champion=None if duel is None else duel.champion,
        baseline=max(scores.baseline, scores.constant),
    )


def _lead(scores: Scores) -> str:
    where = f"in {scores.folds}-fold cross-validation" if scores.folds else "on the test rows"
    side = "higher" if scores.lead > 0 else "lower"
    return f"its {scores.metric} {where} is {abs(scores.lead):.4f} {side}"


def _excused(allowed: float) -> str:
    return f"the {allowed:.4f} that chance or the tolerance covers"


def _meeting(duel: Duel, tolerance: float) -> str:
    """Say how the new model did against the champion."""
    if duel.candidate > duel.champion:
        verdict = "better than the champion"
    else:
        verdict = f"worse than the champion by more than the tolerance of {tolerance:g}"
        if duel.candidate >= duel.champion - tolerance:
            verdict = f"not {verdict}"
    rows = f"{duel.rows:,} test rows that neither was trained on"
    return f"{verdict}: {duel.metric} {duel.candidate:.4f} against {duel.champion:.4f} on {rows}"
