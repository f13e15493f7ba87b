"""The record of training runs: what was done with which data, what came out, and what it cost. In MLflow.

This module and `registry.py` are the only ones that talk to MLflow; both import it when they are called,
because it takes its time.
"""

from __future__ import annotations

import contextlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import git, promotion, sources
from .errors import RegistryError
from .schema import COLUMNS, PROJECT, TASK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import mlflow
    from mlflow.entities import Dataset

    from .config import Params

ARTIFACT_PATH = "model"
COMMIT_TAG = "mlflow.source.git.commit"
CHANGED_TAG = "git_dirty"
CODE_TAG = "code"


@contextlib.contextmanager
def connection() -> Iterator[mlflow.MlflowClient]:
    """Give a client of the configured server or database, and turn MLflow's failures into RegistryError."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # By default a dead server is asked again for several minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    from . import cluster

    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path('mlflow.db').resolve()}"
    found = cluster.passage(uri)
    address = found.url if found else uri
    try:
        with cluster.lent(found, ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_SERVER_CERT_PATH")):
            yield MlflowClient(tracking_uri=address, registry_uri=address)
    except MlflowException as error:
        shown = str(error).strip().splitlines()[0]
        hint = "is it running, and is MLFLOW_TRACKING_URI right?"
        if cluster.is_inside(uri):
            hint = f"is it running (seedbed status)? {cluster.READING if found else cluster.OUTSIDE}"
        raise RegistryError(f"MLflow at {uri} failed: {shown}", hint) from error


def record(
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
    tags[CODE_TAG] = sources.fingerprint()
    name = f"{card['data_version'][:8]}-{card['sha256'][:8]}"
    run = client.create_run(_experiment(client), tags=tags, run_name=name)
    run_id = str(run.info.run_id)
    status = "FAILED"
    try:
        now = int(datetime.now(UTC).timestamp() * 1000)
        figures = promotion.figures(metrics, stages.read_json(reports / stages.TRAINING))
        client.log_batch(
            run_id,
            metrics=[Metric(name, value, now, 0) for name, value in figures.items()],
            params=[Param(key, str(value)) for key, value in params.flat().items()],
            tags=[RunTag("mlflow.note.content", (reports / "model_card.md").read_text(encoding="utf-8"))],
        )
        identity = _dataset(card["data_version"], sum(metrics["rows"].values()))
        client.log_inputs(
            run_id, datasets=[DatasetInput(identity, [InputTag("mlflow.data.context", "training")])]
        )
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

    types = {"number": "double", "integer": "long", "boolean": "boolean", "date": "datetime"}
    columns = [
        {"name": column.name, "type": types.get(column.kind, "string"), "required": not column.nullable}
        for column in COLUMNS
    ]
    return Dataset(
        name=PROJECT,
        digest=data_version.removesuffix(".dir"),
        source_type="dvc",
        source=json.dumps({"path": "data/raw", "version": data_version}),
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps({"num_rows": rows}),
    )


def _experiment(client: mlflow.MlflowClient) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(PROJECT)
    if found is None:
        # A server knows where its artifacts go; a bare database file doesn't, and would use ./mlruns.
        local = None if os.environ.get("MLFLOW_TRACKING_URI") else Path("mlartifacts").resolve().as_uri()
        try:
            return str(client.create_experiment(PROJECT, artifact_location=local))
        except MlflowException as error:
            # Another run may have made it in the same moment.
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(PROJECT)
    return str(found.experiment_id)


def _git() -> dict[str, str]:
    """Return the commit that is being trained, where there is one."""
    commit = git.commit()
    return {COMMIT_TAG: commit, CHANGED_TAG: str(git.changed()).lower()} if commit else {}
