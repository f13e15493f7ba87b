"""Data quality: what requests leave out, or hold that the training rows never showed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from {{ cookiecutter.package }}.schema import CATEGORICAL, FEATURES, NUMERIC

if TYPE_CHECKING:
    import pandas as pd

Problem = Literal["missing", "new_value", "out_of_range"]
SMALLEST_EXCESS = 0.05
STANDARD_ERRORS = 3.0


@dataclass(frozen=True, slots=True)
class Quality:
    """How often a column has a problem.

    Attributes:
        column: its name.
        problem: `missing`; `new_value`, a category that the training rows don't have; or `out_of_range`, a
            number below or above all of theirs.
        share: of the rows, 0 to 1.
        limit: the share from which it counts.
        found: whether it does.
    """

    column: str
    problem: Problem
    share: float
    limit: float
    found: bool


def assess(reference: pd.DataFrame, current: pd.DataFrame) -> list[Quality]:
    """Return every problem that each feature could have.

    What is usual for the training rows is no problem: a share counts when it is above theirs by more than
    SMALLEST_EXCESS and by more than chance explains for so many rows.

    Args:
        reference: the rows that the model was trained on, in normal form.
        current: the rows to judge, at least one, in normal form.
    """
    found = []
    rows = len(current)

    def add(column: str, problem: Problem, share: float, usual: float) -> None:
        chance = STANDARD_ERRORS * math.sqrt(usual * (1 - usual) / rows)
        limit = min(1.0, usual + max(SMALLEST_EXCESS, chance))
        found.append(Quality(column, problem, share, limit, found=share > limit))

    for name in FEATURES:
        add(name, "missing", float(current[name].isna().mean()), float(reference[name].isna().mean()))
    for name in CATEGORICAL:
        counts = reference[name].value_counts()
        # What was seen once is about as frequent as what was never seen (Good-Turing).
        unseen = float((counts == 1).sum()) / max(1, int(counts.sum()))
        known = current[name].isin(counts.index) | current[name].isna()
        add(name, "new_value", float((~known).mean()), unseen)
    for name in NUMERIC:
        if reference[name].notna().any():
            low, high = reference[name].min(), reference[name].max()
            outside = (current[name] < low) | (current[name] > high)
            add(name, "out_of_range", float(outside.mean()), 0.0)
    return found
