"""Whether a new model replaces the champion: a pure function of measured scores.

Whether a model knows anything, and whether it is a match for a linear one, is decided by cross-validation on
the training rows; by the test rows only where that was left out. Whoever picks models by their test rows can
no longer trust them: the luckiest of several wins, and its figures promise more than it keeps. And where the
data has a time column the test rows are one short period at the end, which says little about two models that
are nearly as good. So the test rows decide only what nothing else can: whether they bear out what the folds
found, and whether the model is a match for the champion, which may have been trained on the rows that are
folds here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

NOISE_ERRORS = 2.0  # standard errors within which two scores can't be told apart
BORNE_OUT = 1.0  # standard errors by which the test rows have to agree with what the folds found
PLACES = range(4, 10)  # of a score that is shown: as many as it takes to tell two apart


@dataclass(frozen=True, slots=True)
class Duel:
    """The new model and the champion, on test rows that neither was trained on.

    Attributes:
        metric: what they were compared by.
        candidate: the new model's.
        champion: the present champion's.
        rows: how many rows they were measured on.
        noise: standard error of the difference.
        fresh: whether the new model learned from other data than the champion.
        behind: how far the champion itself is behind the best one before it: see `Decision.behind`.
    """

    metric: str
    candidate: float
    champion: float
    rows: int
    noise: float
    fresh: bool = False
    behind: float = 0.0


@dataclass(frozen=True, slots=True)
class Lead:
    """How far the new model is ahead of a simpler answer.

    Attributes:
        by: in units of the metric; negative where it is behind.
        error: standard error of `by`.
        folds: of the cross-validation that it is the mean of; 0 if it was measured on the test rows.
    """

    by: float
    error: float
    folds: int = 0


@dataclass(frozen=True, slots=True)
class Scores:
    """The primary metric of everything the gate compares. Higher is better.

    Attributes:
        metric: its name.
        candidate: the new model's, on all test rows.
        baseline: a linear model's, on the same rows.
        constant: that of an answer which ignores the features, on the same rows.
        tested: the lead over that answer on the test rows.
        over_constant: the lead over that answer in cross-validation; on the test rows where it was left out.
        over_baseline: the same of the lead over the linear model.
        duel: the comparison with the champion; None if there is no champion.
    """

    metric: str
    candidate: float
    baseline: float
    constant: float
    tested: Lead
    over_constant: Lead
    over_baseline: Lead
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
        unchanged: whether the registry stays as it was: then it was neither promoted nor refused.
        behind: how far the new model is behind the best champion before it, by all comparisons since that
            one; 0 if none was better.
    """

    promoted: bool
    reason: str
    metric: str
    candidate: float
    champion: float | None
    baseline: float
    version: str = ""
    unchanged: bool = False
    behind: float = 0.0

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
    candidate, folds = metrics["model"][name], crossed["folds"]
    tested = {kind: Lead(candidate - metrics[kind][name], error) for kind, error in metrics["noise"].items()}
    leads = tested
    if folds:
        leads = {kind: Lead(lead["mean"], lead["error"], folds) for kind, lead in crossed["lead"].items()}
    return Scores(
        metric=name,
        candidate=candidate,
        baseline=metrics["baseline"][name],
        constant=metrics["constant"][name],
        tested=tested["constant"],
        over_constant=leads["constant"],
        over_baseline=leads["baseline"],
        duel=duel,
    )


def decide(scores: Scores, tolerance: float) -> Decision:
    """Compare a candidate with the constant answer, the baseline and the champion, in that order.

    - It has to know more than the constant answer: clearly so in cross-validation, and the test rows have to
      bear that out. Of models that learned from pure chance, half are above it by chance.
    - It must not be clearly worse than the baseline: by more than the tolerance and the noise of the
      measurement. On small data a good model may lose to a line by chance.
    - It must be at least as good as the champion. Only one that learned from other data may be a little
      worse: that it knows the newest is worth something. But all steps down since the best champion count
      together, or many small ones would lead anywhere.

    Args:
        scores: what was measured.
        tolerance: in units of the metric.
    """
    duel, allowed = scores.duel, max(tolerance, NOISE_ERRORS * scores.over_baseline.error)
    promoted, behind = False, 0.0
    # `not (a > b)` rather than `a <= b`: a metric that is NaN must refuse.
    if unknowing := _unknowing(scores):
        reason = unknowing
    elif not scores.over_baseline.by >= -allowed:
        lead = _lead(scores.metric, scores.over_baseline)
        reason = f"clearly worse than the linear baseline: {lead}, more than {_excused(allowed)}"
    elif duel is not None:
        behind = max(duel.behind + duel.champion - duel.candidate, 0.0)  # in this order, NaN stays
        promoted = duel.candidate >= duel.champion or (duel.fresh and behind <= tolerance)
        reason = _meeting(duel, behind, tolerance)
    else:
        promoted, lead = True, _lead(scores.metric, scores.over_baseline)
        if scores.over_baseline.by > 0:
            error = f"with a standard error of {scores.over_baseline.error:.4f}"
            reason = f"better than the linear baseline: {lead}, {error}"
        else:
            reason = f"not clearly worse than the linear baseline: {lead}, within {_excused(allowed)}"
    return Decision(
        promoted=promoted,
        reason=reason,
        metric=scores.metric if duel is None else duel.metric,
        candidate=scores.candidate if duel is None else duel.candidate,
        champion=None if duel is None else duel.champion,
        baseline=max(scores.baseline, scores.constant),
        behind=behind,
    )


def _unknowing(scores: Scores) -> str:
    """Say where the model shows no knowledge of the features; nothing if it shows some."""
    errors = BORNE_OUT if scores.over_constant.folds else NOISE_ERRORS
    for lead, wanted in ((scores.tested, errors), (scores.over_constant, NOISE_ERRORS)):
        if not lead.by > wanted * lead.error:
            covered = f", within the {wanted * lead.error:.4f} that chance covers" if lead.by > 0 else ""
            clearly = "not clearly better" if lead.by > 0 else "no better"
            found = _lead(scores.metric, lead)
            return f"{clearly} than an answer that ignores the features: {found}{covered}"
    return ""


def _lead(metric: str, lead: Lead) -> str:
    where = f"in {lead.folds}-fold cross-validation" if lead.folds else "on the test rows"
    side = "higher" if lead.by > 0 else "lower"
    return f"its {metric} {where} is {abs(lead.by):.4f} {side}"


def _excused(allowed: float) -> str:
    return f"the {allowed:.4f} that chance or the tolerance covers"


def _meeting(duel: Duel, behind: float, tolerance: float) -> str:
    """Say how the new model did against the champion."""
    if duel.candidate > duel.champion:
        verdict = "better than the champion"
    elif duel.candidate == duel.champion:
        verdict = "as good as the champion"
    elif not duel.fresh:
        verdict = "worse than the champion, which learned from the same data"
    elif behind <= tolerance:
        allowed = f"which the tolerance of {tolerance:g} allows with other data"
        verdict = f"a little worse than the champion, {allowed}"
    elif duel.champion - duel.candidate <= tolerance:
        steps = f"with the steps down before it by {behind:.4f} in all"
        verdict = f"worse than the champion, and {steps}, more than the tolerance of {tolerance:g}"
    else:
        verdict = f"worse than the champion by more than the tolerance of {tolerance:g}"
    candidate, champion = _apart(duel.candidate, duel.champion)
    rows = f"{duel.rows:,} test rows that neither was trained on"
    figures = f"{duel.metric} {candidate} against {champion} on {rows}"
    return f"{verdict}: {figures}; the standard error of the difference is {duel.noise:.4f}"


def _apart(one: float, other: float) -> tuple[str, str]:
    """Show two scores with as many places as it takes to see which is higher."""
    shown = [(f"{one:.{places}f}", f"{other:.{places}f}") for places in PLACES]
    return next((pair for pair in shown if pair[0] != pair[1]), shown[0])
