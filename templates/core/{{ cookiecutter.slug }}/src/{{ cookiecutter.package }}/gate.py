"""Whether a new model replaces the champion: a pure function of measured scores."""

from __future__ import annotations

from dataclasses import dataclass

NOISE_ERRORS = 2.0  # standard errors within which model and baseline can't be told apart


@dataclass(frozen=True, slots=True)
class Duel:
    """The primary metric of the new model and of the champion, on test rows that neither was trained on.

    Attributes:
        candidate: the new model's.
        champion: the present champion's.
        rows: how many rows they were measured on.
    """

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
        noise: standard error of the difference between candidate and baseline.
        duel: the comparison with the champion; None if there is no champion.
    """

    metric: str
    candidate: float
    baseline: float
    constant: float
    noise: float
    duel: Duel | None


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


def decide(scores: Scores, tolerance: float) -> Decision:
    """Compare a candidate with the constant answer, the baseline and the champion, in that order.

    - It has to beat the constant answer: otherwise it learned nothing.
    - It must not be clearly worse than the baseline: by more than the tolerance and the noise of the
      measurement. On a few hundred test rows a good model may lose to a line by chance.
    - It must not be worse than the champion by more than the tolerance.

    Args:
        scores: what was measured.
        tolerance: in units of the metric.
    """
    candidate, duel = scores.candidate, scores.duel
    score = f"{scores.metric} {candidate:.4f}"
    slack = max(tolerance, NOISE_ERRORS * scores.noise)
    # `not (a > b)` rather than `a <= b`: a metric that is NaN must refuse.
    promoted = False
    if not candidate > scores.constant:
        reason = f"{score} doesn't beat an answer without features, {scores.constant:.4f}"
    elif not candidate >= scores.baseline - slack:
        reason = f"{score} is clearly below the linear baseline, {scores.baseline:.4f}"
    elif duel is None:
        promoted, reason = True, f"{score} against the linear baseline's {scores.baseline:.4f}"
    else:
        promoted = duel.candidate >= duel.champion - tolerance
        verb = "against" if promoted else "is below"
        where = f"on {duel.rows:,} rows that are new to both"
        reason = f"{scores.metric} {duel.candidate:.4f} {verb} the champion's {duel.champion:.4f}, {where}"
    return Decision(
        promoted=promoted,
        reason=reason,
        metric=scores.metric,
        candidate=candidate if duel is None else duel.candidate,
        champion=None if duel is None else duel.champion,
        baseline=max(scores.baseline, scores.constant),
    )
