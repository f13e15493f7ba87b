"""The model registry, in MLflow.

A version of the registered model carries what a service needs as tags: the model file's SHA-256 and the data
version. The alias `champion` names the version in use; each version that became champion remembers the one
before it, which is what `rollback` follows. Tags that begin with `gate` hold the last decision about it, also
where a person made it.

MLflow can't move an alias on condition. So the champion is looked up again right before the alias moves, and
if it is another one by then, the decision is made anew.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import promotion, tracking
from .errors import RegistryError
from .promotion import CHAMPION, ModelVersion
from .schema import PROJECT

if TYPE_CHECKING:
    from collections.abc import Mapping

    import mlflow
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion as StoredVersion

    from .config import Params
    from .gate import Decision

__all__ = ["ModelVersion", "champion", "download", "find", "promote", "register", "rollback", "versions"]

BEFORE = "champion_before"
ROLLED_BACK = "rolled_back_at"
# MLflow answers INVALID_PARAMETER_VALUE for a missing alias, RESOURCE_DOES_NOT_EXIST for a missing model.
MISSING = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})


def champion() -> ModelVersion | None:
    """Return the version in use, or None if no model was promoted yet.

    Raises:
        RegistryError: the registry can't be reached, or the version wasn't registered by this project.
    """
    with tracking.connection() as client:
        stored = _champion(client)
        return None if stored is None else _version(client, stored)


def versions(limit: int = 20) -> list[ModelVersion]:
    """Return the latest versions, the newest first.

    Raises:
        RegistryError: the registry can't be reached.
    """
    with tracking.connection() as client:
        found = client.search_model_versions(
            f"name = '{PROJECT}'", max_results=limit, order_by=["version_number DESC"]
        )
        return [_version(client, stored) for stored in found if "sha256" in stored.tags]


def find(name: str) -> ModelVersion | None:
    """Return a version by its number, the one in use by `champion`, or what a run recorded by the run's id.

    Raises:
        RegistryError: the registry can't be reached.
    """
    from mlflow.exceptions import MlflowException

    if name == CHAMPION:
        return champion()
    with tracking.connection() as client:
        try:
            if name.isdecimal() and len(name) < len("2147483647"):
                return _version(client, client.get_model_version(PROJECT, name))
            return _recorded(client.get_run(name))
        except MlflowException as error:
            if error.error_code in MISSING:
                return None
            raise


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

    Registering the same model again changes nothing. Only one that was never promoted is judged again: the
    champion and the tolerance may be others by now.

    Args:
        models: what `stages.train` wrote.
        prepared: what `stages.prepare` wrote; the champion is measured on its test rows.
        metrics: what `stages.evaluation` returned.
        reports: files to keep with the run: cards, validation, plots.
        params: of the training run.

    Raises:
        RegistryError: the registry can't be reached, or the champion keeps changing.
        UntrustedModelError: the champion isn't the file that was registered.
    """
    from . import model, stages

    card = stages.read_json(models / stages.MODEL / model.CARD_FILE)
    with tracking.connection() as client:
        stored = _find(client, card["sha256"])
        decided = None if stored is None else stored.tags.get("gate")
        if stored is None:
            run_id = tracking.record(client, models, metrics, reports, params, card)
            stored = client.create_model_version(
                PROJECT,
                client.get_run(run_id).info.artifact_uri + "/" + tracking.ARTIFACT_PATH,
                run_id,
                tags={"sha256": card["sha256"], "data_version": card["data_version"]},
            )
        elif decided == "promoted":
            return promotion.repeated(_decided(stored), champion())
        for _ in range(promotion.ATTEMPTS):
            present = champion()
            decision = promotion.judge(models, prepared, metrics, params, present, download)
            decision = replace(decision, version=str(stored.version))
            if decided and not decision.promoted:
                return promotion.repeated(decision, present)
            if _apply(client, stored, decision, present):
                return decision
    raise promotion.unsettled(str(stored.version))


def promote(number: str, reason: str) -> Decision:
    """Make a version the champion by hand, whatever the gate said about it.

    Args:
        number: of the version.
        reason: for others to read.

    Raises:
        RegistryError: there is no such version, it can't be used here, or the champion changed meanwhile.
        UntrustedModelError: it isn't the file that was registered.
    """
    version = find(number) if number.isdecimal() else None
    if version is None:
        raise promotion.unknown(number)
    with tracking.connection() as client:
        present = champion()
        decision = promotion.by_hand(version, present, reason, download)
        stored = client.get_model_version(PROJECT, version.version)
        if not decision.unchanged and not _apply(client, stored, decision, present):
            raise promotion.overtaken(f"version {number} was promoted")
        return decision


def rollback() -> ModelVersion:
    """Make the champion of before the champion again.

    Raises:
        RegistryError: there is no champion, none before it, or it changed in this moment.
    """
    with tracking.connection() as client:
        stored = _champion(client)
        if stored is None:
            raise promotion.nothing_to_roll_back()
        number = str(stored.version)
        before, earlier = promotion.popped(stored.tags.get(BEFORE, ""))
        if not before:
            raise promotion.nothing_to_roll_back(number)
        target = _version(client, client.get_model_version(PROJECT, before))
        if _number(_champion(client)) != number:
            raise promotion.overtaken(f"version {number} was rolled back")
        client.set_registered_model_alias(PROJECT, CHAMPION, before)
        _tag(client, stored, {BEFORE: earlier, ROLLED_BACK: _now()})
        return target


def _champion(client: mlflow.MlflowClient) -> StoredVersion | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(PROJECT, CHAMPION)
    except MlflowException as error:
        if error.error_code in MISSING:
            return None
        raise


def _version(client: mlflow.MlflowClient, stored: StoredVersion) -> ModelVersion:
    tags = stored.tags
    try:
        sha256, data_version = tags["sha256"], tags["data_version"]
    except KeyError as error:
        raise RegistryError(
            f"version {stored.version} of {PROJECT} has no {error}: it wasn't registered by this project",
            f"set the alias {CHAMPION} to a version that was",
        ) from None
    return replace(
        _recorded(client.get_run(stored.run_id)),
        version=str(stored.version),
        sha256=sha256,
        data_version=data_version,
        promoted=tags["gate"] == "promoted" if "gate" in tags else None,
        reason=tags.get("gate_reason", ""),
        behind=float(tags.get("gate_behind", 0)),
        rolled_back=tags.get(ROLLED_BACK, ""),
    )


def _recorded(run: Run) -> ModelVersion:
    tags = run.data.tags
    return ModelVersion(
        name=PROJECT,
        version="",
        run_id=run.info.run_id,
        sha256=tags.get("sha256", ""),
        data_version=tags.get("data_version", ""),
        metrics=dict(run.data.metrics),
        params=dict(run.data.params),
        commit=tags.get(tracking.COMMIT_TAG, ""),
        changed=tags.get(tracking.CHANGED_TAG) == "true",
        code=tags.get(tracking.CODE_TAG, ""),
        created=datetime.fromtimestamp(run.info.start_time // 1000, UTC).isoformat(),
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


def _apply(
    client: mlflow.MlflowClient, stored: StoredVersion, decision: Decision, present: ModelVersion | None
) -> bool:
    """Write down a decision and carry it out; return False if it was made against another champion."""
    number = str(stored.version)
    before = "" if present is None else present.version
    if decision.promoted and _number(_champion(client)) != before:
        return False
    tags = {
        "gate_reason": decision.reason,
        "gate_metric": decision.metric,
        "gate_candidate": repr(decision.candidate),
        "gate_champion": "" if decision.champion is None else repr(decision.champion),
        "gate_baseline": repr(decision.baseline),
        "gate_behind": repr(decision.behind),
    }
    if decision.promoted:
        if before != number:
            tags[BEFORE] = promotion.pushed(stored.tags.get(BEFORE, ""), before)
        tags |= {"promoted_at": _now(), ROLLED_BACK: ""}
    _tag(client, stored, tags)
    if decision.promoted:
        client.set_registered_model_alias(PROJECT, CHAMPION, number)
    # Last, because it says that the decision is complete: until then `register` decides again.
    client.set_model_version_tag(PROJECT, number, "gate", "promoted" if decision.promoted else "refused")
    return True


def _tag(client: mlflow.MlflowClient, stored: StoredVersion, tags: Mapping[str, str]) -> None:
    """Write tags of a version; remove those that are empty."""
    for name, value in tags.items():
        if value:
            client.set_model_version_tag(PROJECT, str(stored.version), name, value)
        elif name in stored.tags:
            client.delete_model_version_tag(PROJECT, str(stored.version), name)


def _decided(stored: StoredVersion) -> Decision:
    from .gate import Decision

    tags = stored.tags
    champion_score = tags.get("gate_champion")
    return Decision(
        promoted=tags["gate"] == "promoted",
        reason=tags["gate_reason"],
        metric=tags["gate_metric"],
        candidate=float(tags["gate_candidate"]),
        champion=None if champion_score is None else float(champion_score),
        baseline=float(tags["gate_baseline"]),
        behind=float(tags.get("gate_behind", 0)),
        version=str(stored.version),
    )


def _number(stored: StoredVersion | None) -> str:
    return "" if stored is None else str(stored.version)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
