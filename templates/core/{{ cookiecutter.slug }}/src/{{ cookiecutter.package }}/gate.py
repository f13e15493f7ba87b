"""Whether a new model replaces the champion: a pure function of measured scores."""

from __future__ import annotations

from dataclasses import dataclass

NOISE_ERRORS = 2.0  # standard errors within which model and baseline can't be told apart


@dataclass(frozen=True, slots=True)
class Scores:
    """The primary metric of everything the gate compares, all on the same test rows. Higher is better.

    Attributes:
        metric: its name.
        candidate: the new model's.
        baseline: a linear model's.
        constant: that of an answer which ignores the features.
        noise: standard error of the difference between candidate and baseline.
        champion: the present champion's; None if there is none, or if it can't answer these rows.
    """

    metric: str
    candidate: float
    baseline: float
    constant: float
    noise: float
    champion: float | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a candidate, and the figures behind it.

    Attributes:
        promoted: whether it is the champion now.
        reason: one sentence for a person.
        metric: the metric that decided.
        candidate: its value for the new model.
        champion: its value for the champion of before, if there was one.
        baseline: its value for the stronger of the linear model and the constant answer.
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
    metric, candidate = scores.metric, scores.candidate
    score = f"{metric} {candidate:.4f}"
    slack = max(tolerance, NOISE_ERRORS * scores.noise)
    champion = scores.champion
    # `not (a > b)` rather than `a <= b`: a metric that is NaN must refuse.
    if not candidate > scores.constant:
        promoted, reason = False, f"{score} doesn't beat an answer without features, {scores.constant:.4f}"
    elif not candidate >= scores.baseline - slack:
        promoted, reason = False, f"{score} is clearly below the linear baseline, {scores.baseline:.4f}"
    elif champion is not None and not candidate >= champion - tolerance:
        promoted, reason = False, f"{score} is below the champion's {champion:.4f} on the same rows"
    elif champion is not None:
        promoted, reason = True, f"{score} against the champion's {champion:.4f} on the same rows"
    else:
        promoted, reason = True, f"{score} against the linear baseline's {scores.baseline:.4f}"
    return Decision(promoted, reason, metric, candidate, champion, max(scores.baseline, scores.constant))
