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
        promoted: whether it is the champion now.
        reason: one sentence for a person.
        metric: the metric that decided.
        candidate: its value for the new model: on the rows of the comparison with the champion if there was
            one, else on all test rows.
        champion: its value for the champion of before, on the same rows.
        baseline: its value for the stronger of the linear model and the constant answer, on all test rows.
        version: the new model's version in the registry.
    """

    promoted: bool
    reason: str
    metric: str
    candidate: float
    champion: float | None
    baseline: float
    version: str = ""


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
    score = f"{scores.metric} {candidate:.4f}"
    # `not (a > b)` rather than `a <= b`: a metric that is NaN must refuse.
    promoted = False
    if not candidate > scores.constant:
        reason = f"{score} doesn't beat an answer without features, {scores.constant:.4f}"
    elif not scores.lead >= -max(tolerance, NOISE_ERRORS * scores.noise):
        where = f"in {scores.folds}-fold cross-validation" if scores.folds else "on the test rows"
        difference = f"{scores.lead:+.4f}, with a standard error of {scores.noise:.4f}"
        reason = f"{scores.metric} is clearly below the linear baseline's {where}: {difference}"
    elif duel is None:
        promoted, reason = True, f"{score} against the linear baseline's {scores.baseline:.4f}"
    else:
        promoted = duel.candidate >= duel.champion - tolerance
        verb = "against" if promoted else "is below"
        where = f"on {duel.rows:,} rows that are new to both"
        reason = f"{duel.metric} {duel.candidate:.4f} {verb} the champion's {duel.champion:.4f}, {where}"
    return Decision(
        promoted=promoted,
        reason=reason,
        metric=scores.metric if duel is None else duel.metric,
        candidate=candidate if duel is None else duel.candidate,
        champion=None if duel is None else duel.champion,
        baseline=max(scores.baseline, scores.constant),
    )
