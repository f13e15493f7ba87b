"""The model registry: the only module that talks to MLflow.

A version of the registered model carries what a service needs as tags: the model file's SHA-256 and the data version. The
alias `champion` names the version in use; each version that became champion remembers the one before it, which is what
`rollback` follows.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import RegistryError
from .schema import COLUMNS, FEATURES, PROJECT, TASK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import mlflow
    from mlflow.entities import Dataset
    from mlflow.entities.model_registry import ModelVersion as StoredVersion

    from .config import Params
    from .gate import Decision

ALIAS = "champion"
ARTIFACT_PATH = "model"


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
    with _client() as client:
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
    with _client() as client:
        dest.mkdir(parents=True, exist_ok=True)
        return Path(client.download_artifacts(version.run_id, ARTIFACT_PATH, str(dest)))


def register(
    models: Path, prepared: Path, metrics: Mapping[str, Any], reports: Path, params: Params
) -> Decision:
    """Record a training run, register its model, and let the gate decide whether it becomes the champion.

    Registering the same model file again changes nothing and repeats the decision, unless the decision was never recorded.

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
    with _client() as client:
        stored = _find(client, card["sha256"])
        if stored is None:
            run_id = _record(client, models, metrics, reports, params, card)
            stored = client.create_model_version(
                PROJECT,
                client.get_run(run_id).info.artifact_uri + "/" + ARTIFACT_PATH,
                run_id,
                tags={"sha256": card["sha256"], "data_version": card["data_version"]},
            )
        elif "gate" in stored.tags:
            return _repeated(stored)
        decision = replace(_judge(client, prepared, metrics, params), version=str(stored.version))
        _apply(client, stored, decision)
        return decision


def rollback() -> ModelVersion:
    """Make the champion of before the champion again.

    Raises:
        RegistryError: there is no champion, or none before it.
    """
    with _client() as client:
        stored = _champion(client)
        if stored is None:
            raise RegistryError(f"{PROJECT} has no champion", "train and register a model first: make train")
        before = stored.tags.get("champion_before")
        if not before:
            raise RegistryError(f"version {stored.version} of {PROJECT} is the first champion: there is none before it")
        target = client.get_model_version(PROJECT, before)
        client.set_registered_model_alias(PROJECT, ALIAS, before)
        client.set_model_version_tag(PROJECT, str(stored.version), "rolled_back_at", _now())
        return _version(client, target)


@contextlib.contextmanager
def _client() -> Iterator[mlflow.MlflowClient]:
    """Give a client of the configured registry, and turn MLflow's failures into RegistryError."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # By default a dead server is asked again for several minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path('mlflow.db').resolve()}"
    try:
        yield MlflowClient(tracking_uri=uri, registry_uri=uri)
    except MlflowException as error:
        shown = str(error).strip().splitlines()[0]
        raise RegistryError(f"the registry at {uri} failed: {shown}", "is it running, and is MLFLOW_TRACKING_URI right?") from error


def _champion(client: mlflow.MlflowClient) -> StoredVersion | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(PROJECT, ALIAS)
    except MlflowException as error:
        # MLflow answers INVALID_PARAMETER_VALUE for a missing alias, RESOURCE_DOES_NOT_EXIST for a missing model.
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


def _record(
    client: mlflow.MlflowClient,
    models: Path,
    metrics: Mapping[str, Any],
    reports: Path,
    params: Params,
    card: Mapping[str, Any],
) -> str:
    """Write one run with everything that is known about a training; return its id."""
    from mlflow.entities import DatasetInput, InputTag, Metric, Param, RunTag

    from . import stages

    tags = {"data_version": card["data_version"], "sha256": card["sha256"], "task": TASK, **_git()}
    run = client.create_run(_experiment(client), tags=tags, run_name=f"{card['data_version'][:8]}-{card['sha256'][:8]}")
    run_id = run.info.run_id
    status = "FAILED"
    try:
        values = dict(metrics["model"])
        values |= {f"{group}_{name}": value for group in ("baseline", "constant") for name, value in metrics[group].items()}
        values |= {f"rows_{side}": count for side, count in metrics["rows"].items()}
        values |= {f"training_{name}": value for name, value in stages.read_json(models / "training.json").items()}
        now = int(datetime.now(UTC).timestamp() * 1000)
        client.log_batch(
            run_id,
            metrics=[Metric(name, float(value), now, 0) for name, value in values.items()],
            params=[Param(name, str(value)) for name, value in params.flat().items()],
            tags=[RunTag("mlflow.note.content", (reports / "model_card.md").read_text(encoding="utf-8"))],
        )
        identity = _dataset(card["data_version"], sum(metrics["rows"].values()))
        client.log_inputs(run_id, datasets=[DatasetInput(identity, [InputTag("mlflow.data.context", "training")])])
        client.log_artifacts(run_id, str(models / stages.MODEL), ARTIFACT_PATH)
        client.log_artifacts(run_id, str(reports), "reports")
        status = "FINISHED"
    finally:
        # An outage must not hide the error that is already on its way.
        with contextlib.suppress(Exception):
            client.set_terminated(run_id, status)
    return run_id


def _dataset(data_version: str, rows: int) -> Dataset:
    """Return the training data's identity as MLflow shows it: DVC's version and the columns."""
    from mlflow.entities import Dataset

    types = {"number": "double", "integer": "long", "boolean": "boolean", "category": "string"}
    columns = [{"name": column.name, "type": types[column.kind], "required": not column.nullable} for column in COLUMNS]
    return Dataset(
        name=PROJECT,
        digest=data_version.removesuffix(".dir"),
        source_type="dvc",
        source=json.dumps({"path": "data/raw", "version": data_version}),
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps({"num_rows": rows}),
    )


def _experiment(client: mlflow.MlflowClient) -> str:
    found = client.get_experiment_by_name(PROJECT)
    if found is not None:
        return str(found.experiment_id)
    # A server knows where its artifacts go; a bare database file doesn't, and would use the current folder's mlruns.
    local = None if os.environ.get("MLFLOW_TRACKING_URI") else Path("mlartifacts").resolve().as_uri()
    return client.create_experiment(PROJECT, artifact_location=local)


def _judge(client: mlflow.MlflowClient, prepared: Path, metrics: Mapping[str, Any], params: Params) -> Decision:
    from . import gate

    name = metrics["metric"]
    scores = gate.Scores(
        metric=name,
        candidate=metrics["model"][name],
        baseline=metrics["baseline"][name],
        constant=metrics["constant"][name],
        noise=metrics["noise"],
        champion=_champion_score(client, prepared),
    )
    decision = gate.decide(scores, params.gate.tolerance)
    if scores.champion is None and (present := _champion(client)) is not None:
        reason = f"{decision.reason}; version {present.version} was trained on other columns and can't be compared"
        return replace(decision, reason=reason)
    return decision


def _champion_score(client: mlflow.MlflowClient, prepared: Path) -> float | None:
    """Return the champion's primary metric on the new test rows.

    None if there is no champion, or if it was trained on other features than these rows have.
    """
    import pandas as pd

    from . import evaluate, model, stages

    stored = _champion(client)
    if stored is None:
        return None
    version = _version(client, stored)
    with tempfile.TemporaryDirectory() as folder:
        files = Path(client.download_artifacts(version.run_id, ARTIFACT_PATH, folder))
        fitted = model.load(files, version.sha256)
        if stages.read_json(files / model.CARD_FILE)["features"] != list(FEATURES):
            return None
    return evaluate.score(fitted, pd.read_parquet(prepared / "test.parquet"))


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


def _git() -> dict[str, str]:
    """Return the commit that is being trained, where there is one."""
    import subprocess

    def ask(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=30)  # noqa: S603, S607
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    commit = os.environ.get("GIT_COMMIT") or ask("rev-parse", "HEAD")
    if not commit:
        return {}
    return {"mlflow.source.git.commit": commit, "git_dirty": str(bool(ask("status", "--porcelain"))).lower()}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
