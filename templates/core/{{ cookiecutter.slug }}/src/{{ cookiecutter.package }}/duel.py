"""The new model and the champion, measured on test rows that neither was trained on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from . import data, evaluate, model, stages
from .gate import Duel
from .schema import TARGET, TASK

if TYPE_CHECKING:
    from pathlib import Path

    from sklearn.pipeline import Pipeline

MIN_UNSEEN = 0.1  # share of the test rows that must be new to the champion
MIN_CLASSES = 2
SHOWN = 200  # characters of an error that a decision's reason shows


class GoneError(Exception):
    """The champion is of no use to this commit's code; the message says why, as the rest of a sentence."""


class TooFewError(Exception):
    """The champion may have been trained on nearly all of the test rows; the message says of how many."""


def measure(models: Path, prepared: Path, champion: Path, seed: int) -> Duel:
    """Measure both models by the metric that both have.

    Args:
        models: what `stages.train` wrote.
        prepared: what `stages.prepare` wrote.
        champion: the folder with the champion's files, found to be those that were registered.
        seed: of the resampling that gives the noise.

    Raises:
        GoneError: the champion is of other columns, or can't be measured.
        TooFewError: there are too few rows that it can be measured on.
    """
    candidate, test = model.load(models / stages.MODEL), pd.read_parquet(prepared / "test.parquet")
    try:
        present, rows = _present(champion, test)
        metric = evaluate.common(candidate, present)
        score = evaluate.score(present, rows, metric)
    except (GoneError, TooFewError, MemoryError):
        raise
    except Exception as error:
        # An older model under newer code can fail in any way, and must not stop every model after it.
        said = " ".join(str(error).split())[:SHOWN]
        raise GoneError(f"can't be measured any more ({type(error).__name__}: {said})") from error
    if math.isnan(score):
        raise GoneError(f"can't be measured any more (its {metric} is no number)")
    return Duel(
        metric=metric,
        candidate=evaluate.score(candidate, rows, metric),
        champion=score,
        rows=len(rows),
        noise=evaluate.noise(candidate, present, rows, seed),
    )


def _present(files: Path, test: pd.DataFrame) -> tuple[Pipeline, pd.DataFrame]:
    """Return the champion, and the test rows that it wasn't trained on."""
    card = stages.read_json(files / model.CARD_FILE)
    if not model.has_same_columns(card):
        raise GoneError("was trained on other columns")
    rows = data.unseen(test, card["origin"])
    if len(rows) < len(test) * MIN_UNSEEN or (
        TASK == "classification" and rows[TARGET].nunique() < MIN_CLASSES
    ):
        few = f"only {len(rows)} of {len(test)} test rows are new to it, too few to judge"
        raise TooFewError(f"{few}; add newer data, or promote by hand")
    return model.load(files), rows
