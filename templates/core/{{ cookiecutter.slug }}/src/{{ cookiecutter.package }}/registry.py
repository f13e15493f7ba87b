"""The model registry, in MLflow.

A version of the registered model carries what a service needs as tags: the model file's SHA-256 and the data
    version. The
alias `champion` names the version in use; each version that became champion remembers the one before it,
which is what `rollback` follows.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import tracking
from .errors import RegistryError
from .schema import FEATURES, PROJECT, TARGET, TASK

if TYPE_CHECKING:
    from collections.abc import Mapping

    import mlflow
    from mlflow.entities.model_registry import ModelVersion as StoredVersion
    from sklearn.pipeline import Pipeline

    from .config import Params
    from .gate import Decision, Duel

ALIAS = "champion"
MIN_UNSEEN = 0.1  # share of the test rows that must be new to the champion
MIN_CLASSES = 2


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered model.

    Attributes:
        name: of the registered model.
        version: its number, as MLflow's text.
        run_id: the run that made it.
        sha256: of `model.skops`; `model.load` refuses any other file.
        data_version: DVC's identity of the training data.
        metrics: by name, on the test rows of its own run.
    """

    name: str
    version: str
    run_id: str
    sha256: str
    data_version: str
    metrics: dict[str, float]


def champion() -> ModelVersion | None:
    """Return the version in use, or None if no model was promoted yet.

    Raises:
        RegistryError: the registry can't be reached, or the version wasn't registered by this project.
    """
    with tracking.connection() as client:
        stored = _champion(client)
        return None if stored is None else _version(client, stored)


def download(version: ModelVersion, dest: Path) -> Path:
    """Fetch a model's files.

    Args:
        version: from `champion`.
        dest: made if it isn't there.

    Returns:
        The folder with `model.skops`, `model.json` and `reference.parquet`.

    Raises:
        RegistryError: the registry or its artifact store can't be reached.
    """
    with tracking.connection() as client:
        dest.mkdir(parents=True, exist_ok=True)
        return Path(client.download_artifacts(version.run_id, tracking.ARTIFACT_PATH, str(dest)))


def register(
    models: Path, prepared: Path, metrics: Mapping[str, Any], reports: Path, params: Params
) -> Decision:
    """Record a training run, register its model, and let the gate decide whether it becomes the champion.

    Registering the same model file again changes nothing and repeats the decision, unless the decision was
    never recorded.

    Args:
        models: what `stages.train` wrote.
        prepared: what `stages.prepare` wrote; the champion is measured on its test rows.
        metrics: what `stages.evaluation` returned.
        reports: files to keep with the run: cards, validation, plots.
        params: of the training run.

    Raises:
        RegistryError: the registry can't be reached.
        UntrustedModelError: the champion isn't the file that was registered.
    """
    from . import model, stages

    card = stages.read_json(models / stages.MODEL / model.CARD_FILE)
    with tracking.connection() as client:
        stored = _find(client, card["sha256"])
        if stored is None:
            run_id = tracking.record(client, models, metrics, reports, params, card)
            stored = client.create_model_version(
                PROJECT,
                client.get_run(run_id).info.artifact_uri + "/" + tracking.ARTIFACT_PATH,
                run_id,
                tags={"sha256": card["sha256"], "data_version": card["data_version"]},
            )
        elif "gate" in stored.tags:
            return _repeated(stored)
        decision = replace(_judge(client, models, prepared, metrics, params), version=str(stored.version))
        _apply(client, stored, decision)
        return decision


def rollback() -> ModelVersion:
    """Make the champion of before the champion again.

    Raises:
        RegistryError: there is no champion, or none before it.
    """
    with tracking.connection() as client:
        stored = _champion(client)
        if stored is None:
            raise RegistryError(f"{PROJECT} has no champion", "train and register a model first: make train")
        before = stored.tags.get("champion_before")
        if not before:
            raise RegistryError(
                f"version {stored.version} of {PROJECT} is the first champion: none came before"
            )
        target = client.get_model_version(PROJECT, before)
        client.set_registered_model_alias(PROJECT, ALIAS, before)
        client.set_model_version_tag(PROJECT, str(stored.version), "rolled_back_at", _now())
        return _version(client, target)


def _champion(client: mlflow.MlflowClient) -> StoredVersion | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(PROJECT, ALIAS)
    except MlflowException as error:
        # MLflow answers INVALID_PARAMETER_VALUE for a missing alias, RESOURCE_DOES_NOT_EXIST for a missing
        # model.
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise


def _version(client: mlflow.MlflowClient, stored: StoredVersion) -> ModelVersion:
    try:
        sha256, data_version = stored.tags["sha256"], stored.tags["data_version"]
    except KeyError as error:
        raise RegistryError(
            f"version {stored.version} of {PROJECT} has no {error}: it wasn't registered by this project",
            f"set the alias {ALIAS} to a version that was",
        ) from None
    return ModelVersion(
        name=PROJECT,
        version=str(stored.version),
        run_id=stored.run_id,
        sha256=sha256,
        data_version=data_version,
        metrics=dict(client.get_run(stored.run_id).data.metrics),
    )


def _find(client: mlflow.MlflowClient, sha256: str) -> StoredVersion | None:
    """Return the version with this model file; make the registered model if it doesn't exist."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(PROJECT)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    found = client.search_model_versions(f"name = '{PROJECT}' AND tag.sha256 = '{sha256}'")
    return found[0] if found else None


def _judge(
    client: mlflow.MlflowClient, models: Path, prepared: Path, metrics: Mapping[str, Any], params: Params
) -> Decision:
    from . import gate, model, stages

    name = metrics["metric"]
    scores = gate.Scores(
        metric=name,
        candidate=metrics["model"][name],
        baseline=metrics["baseline"][name],
        constant=metrics["constant"][name],
        noise=metrics["noise"],
        duel=None,
    )
    decision = gate.decide(scores, params.gate.tolerance)
    stored = _champion(client)
    if stored is None or not decision.promoted:
        return decision
    version = _version(client, stored)
    with tempfile.TemporaryDirectory() as folder:
        files = Path(client.download_artifacts(version.run_id, tracking.ARTIFACT_PATH, folder))
        present = model.load(files, version.sha256)
        card = stages.read_json(files / model.CARD_FILE)
    if card["features"] != list(FEATURES):
        # Nothing in this commit can ask it either: to keep it would keep nothing in use.
        reason = f"{decision.reason}; the champion, version {version.version}, was trained on other columns"
        return replace(decision, reason=reason)
    duel = _duel(models, prepared, present, card["origin"])
    if isinstance(duel, str):
        reason = f"can't be compared with the champion, version {version.version}: {duel}"
        return replace(decision, promoted=False, reason=reason)
    return gate.decide(replace(scores, duel=duel), params.gate.tolerance)


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
    return Duel(evaluate.score(candidate, rows), evaluate.score(champion, rows), len(rows))


def _apply(client: mlflow.MlflowClient, stored: StoredVersion, decision: Decision) -> None:
    number = str(stored.version)
    tags = {
        "gate": "promoted" if decision.promoted else "refused",
        "gate_reason": decision.reason,
        "gate_metric": decision.metric,
        "gate_candidate": repr(decision.candidate),
        "gate_baseline": repr(decision.baseline),
    }
    if decision.champion is not None:
        tags["gate_champion"] = repr(decision.champion)
    if decision.promoted:
        before = _champion(client)
        if before is not None and str(before.version) != number:
            tags["champion_before"] = str(before.version)
        tags["promoted_at"] = _now()
    gate = tags.pop("gate")
    for name, value in tags.items():
        client.set_model_version_tag(PROJECT, number, name, value)
    if decision.promoted:
        client.set_registered_model_alias(PROJECT, ALIAS, number)
    # Last, because it says that the decision is complete: until then `register` decides again.
    client.set_model_version_tag(PROJECT, number, "gate", gate)


def _repeated(stored: StoredVersion) -> Decision:
    from .gate import Decision

    tags = stored.tags
    champion_score = tags.get("gate_champion")
    return Decision(
        promoted=tags["gate"] == "promoted",
        reason=f"{tags['gate_reason']} (decided before, for this same model)",
        metric=tags["gate_metric"],
        candidate=float(tags["gate_candidate"]),
        champion=None if champion_score is None else float(champion_score),
        baseline=float(tags["gate_baseline"]),
        version=str(stored.version),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
