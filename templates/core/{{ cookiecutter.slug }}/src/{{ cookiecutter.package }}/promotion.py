"""From a trained model to the champion: what a registered version is, and how a new one is judged.

This is the same wherever the registry keeps its models; `registry.py` is the module that knows where.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import sources
from .errors import RegistryError
from .schema import FEATURES, PROJECT, TARGET, TASK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sklearn.pipeline import Pipeline

    from .config import Params
    from .gate import Decision, Duel

CHAMPION = "champion"
MIN_UNSEEN = 0.1  # share of the test rows that must be new to the champion
MIN_CLASSES = 2
ATTEMPTS = 3  # at a decision, when the champion changes while it is being made


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered model.

    Attributes:
        name: of the registered model.
        version: its number, as text; empty for a run that registered none.
        run_id: the run that made it.
        sha256: of `model.skops`; `model.load` refuses any other file.
        data_version: DVC's identity of the training data.
        metrics: by name, on the test rows of its own run; what the training cost begins with `training_`.
        params: of the training run, by dotted name.
        commit: that was checked out; empty where Git knew none.
        changed: whether code, parameters or data differed from that commit.
        code: fingerprint of the code that trained it; empty where it wasn't recorded.
        created: ISO-8601, UTC.
        promoted: what the gate decided; None if it hasn't yet.
        reason: why, in one sentence.
    """

    name: str
    version: str
    run_id: str
    sha256: str
    data_version: str
    metrics: dict[str, float]
    params: dict[str, str] = field(default_factory=dict)
    commit: str = ""
    changed: bool = False
    code: str = ""
    created: str = ""
    promoted: bool | None = None
    reason: str = ""


def trained_already(
    versions: Iterable[ModelVersion], data_version: str, params: Params
) -> ModelVersion | None:
    """Return the version that a training on this data would give again, if there is one.

    Args:
        versions: what to look through; one that the gate hasn't decided about doesn't count.
        data_version: of the data to train on.
        params: to train with.
    """
    code, given = sources.fingerprint(), {name: str(value) for name, value in params.flat().items()}
    for found in versions:
        made_of = (found.data_version, found.code, found.params)
        if found.promoted is not None and made_of == (data_version, code, given):
            return found
    return None


def figures(metrics: Mapping[str, Any], cost: Mapping[str, float]) -> dict[str, float]:
    """Return every single figure of a run by a flat name: `roc_auc`, `baseline_roc_auc`, `training_seconds`.

    Args:
        metrics: the content of metrics.json.
        cost: the content of training.json.
    """
    others = {name: values for name, values in metrics.items() if name != "model"}
    return _flat({**metrics["model"], **others, "training": cost})


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}_")
        elif isinstance(value, int | float):
            found[prefix + name] = float(value)
    return found


def judge(
    models: Path,
    prepared: Path,
    metrics: Mapping[str, Any],
    params: Params,
    champion: ModelVersion | None,
    download: Callable[[ModelVersion, Path], Path],
) -> Decision:
    """Let the gate decide about a trained model.

    Args:
        models: what `stages.train` wrote.
        prepared: what `stages.prepare` wrote; the champion is measured on its test rows.
        metrics: what `stages.evaluation` returned.
        params: of the training run.
        champion: the present one, if there is one.
        download: fetches the champion's files into a folder.

    Raises:
        RegistryError: the champion can't be fetched.
        UntrustedModelError: the champion isn't the file that was registered.
    """
    from . import gate, model, stages

    decision = gate.decide(gate.scores(metrics), params.gate.tolerance)
    if champion is None or not decision.promoted:
        return decision
    with tempfile.TemporaryDirectory() as folder:
        files = download(champion, Path(folder))
        present = model.load(files, champion.sha256)
        card = stages.read_json(files / model.CARD_FILE)
    if card["features"] != list(FEATURES):
        # Nothing in this commit can ask it either: to keep it would keep nothing in use.
        gone = f"the champion, version {champion.version}, was trained on other columns and gives way"
        reason = f"{decision.reason}; {gone}"
        return replace(decision, reason=reason)
    duel = _duel(models, prepared, present, card["origin"])
    if isinstance(duel, str):
        reason = f"can't be compared with the champion, version {champion.version}: {duel}"
        return replace(decision, promoted=False, reason=reason)
    return gate.decide(gate.scores(metrics, duel), params.gate.tolerance)


def repeated(decision: Decision, champion: ModelVersion | None) -> Decision:
    """Return the answer to a model that the registry knows already: nothing was changed.

    Args:
        decision: the present answer of the gate, or that of then for a version that was promoted once.
        champion: the present one.
    """
    if not decision.promoted:
        state = f"the gate refuses it: {decision.reason}"
    elif champion is not None and champion.version == decision.version:
        state = "it is the champion"
    else:
        state = "it was promoted before and isn't the champion any more: rollback is what goes back to it"
    reason = f"this training gave the very same model, byte for byte, and {state}"
    return replace(decision, promoted=False, unchanged=True, reason=reason)


def unsettled(version: str) -> RegistryError:
    """Return the error for a champion that changed with every attempt at a decision."""
    return RegistryError(
        f"version {version} of {PROJECT} is registered, but its promotion isn't decided: "
        f"the champion changed {ATTEMPTS} times while the two were compared",
        "others promote or roll back right now; register again when they are done",
    )


def _duel(models: Path, prepared: Path, champion: Pipeline, origin: Mapping[str, Any]) -> Duel | str:
    """Measure the new model and the champion on the test rows that the champion wasn't trained on.

    Returns:
        The result, or in words why there is none.
    """
    import pandas as pd

    from . import data, evaluate, model, stages
    from .gate import Duel

    test = pd.read_parquet(prepared / "test.parquet")
    rows = data.unseen(test, origin)
    if len(rows) < len(test) * MIN_UNSEEN or (
        TASK == "classification" and rows[TARGET].nunique() < MIN_CLASSES
    ):
        return f"only {len(rows)} of {len(test)} test rows are new to it, too few to judge; add newer data"
    candidate = model.load(models / stages.MODEL)
    return Duel(*evaluate.compare(candidate, champion, rows), rows=len(rows))
