"""Predictions for a whole file of rows, by the champion."""

from __future__ import annotations

{% if cookiecutter.monitoring -%}
import os
{% endif -%}
import tempfile
{%- if cookiecutter.monitoring %}
from datetime import UTC, datetime
{%- endif %}
from pathlib import Path
{%- if cookiecutter.monitoring %}
from typing import Any
from uuid import uuid4
{%- endif %}

import pandas as pd

from . import data, model, registry
from .errors import DataError, RegistryError
{%- if cookiecutter.monitoring %}
from .schema import CATEGORICAL, FEATURES
{%- else %}
from .schema import CATEGORICAL
{%- endif %}


def predict(file: Path, output: Path) -> int:
    """Ask the champion about every row of a file, and write the rows with its answers.
{%- if cookiecutter.monitoring %}

    The predictions are also added to the prediction log, `PREDICTION_LOG` or logs/predictions, so that
    monitoring sees them. The written column `prediction_id` is what a true label names its prediction by.
{%- endif %}

    Args:
        file: a .csv or .parquet file with at least the features.
        output: where to write, as .csv or .parquet; it gets the columns `prediction` and, for classes,
            `probability`.

    Returns:
        The number of rows.

    Raises:
        DataError: the file can't be read, has no rows, or lacks a feature.
        RegistryError: the registry can't be reached, or has no champion.
{%- if cookiecutter.monitoring %}
        StoreError: the log is in an object store that can't be reached.
{%- endif %}
    """
    if output.suffix not in data.SUFFIXES:
        raise DataError(f"{output} is neither .csv nor .parquet")
    rows = _read(file)
    inputs = data.features(rows)
    version = registry.champion()
    if version is None:
        raise RegistryError("no model is registered as champion yet", "train and register one: make train")
    with tempfile.TemporaryDirectory() as scratch:
        folder = registry.download(version, Path(scratch))
        answers = model.predict(model.load(folder, version.sha256), inputs)
{%- if cookiecutter.monitoring %}
    answers.insert(0, "prediction_id", [uuid4().hex for _ in range(len(rows))])
    _log(inputs, answers, version.version)
{%- endif %}
    _write(rows.drop(columns=[name for name in answers if name in rows]).join(answers), output)
    return len(rows)


def _read(file: Path) -> pd.DataFrame:
    try:
        if file.suffix == ".parquet":
            rows = pd.read_parquet(file)
        else:
            # Categories stay text: "01" is not 1.
            rows = pd.read_csv(file, dtype=dict.fromkeys(CATEGORICAL, "object"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file} can't be read: {error}", "give a .csv or .parquet file") from error
    if rows.empty:
        raise DataError(f"{file} holds no rows")
    return rows.reset_index(drop=True)


def _write(rows: pd.DataFrame, output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.suffix == ".parquet":
        rows.to_parquet(output, index=False)
    else:
        rows.to_csv(output, index=False)
{%- if cookiecutter.monitoring %}


def _log(inputs: pd.DataFrame, answers: pd.DataFrame, version: str) -> None:
    from .monitoring import DEFAULT_LOG, log

    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    lines: list[dict[str, Any]] = []
    for features, answer in zip(inputs.to_dict("records"), answers.to_dict("records"), strict=True):
        known = {name: _plain(features[name]) for name in FEATURES}
        line = {"id": answer.pop("prediction_id"), "time": time, "model_version": version, "features": known}
        lines.append(line | {str(name): _plain(value) for name, value in answer.items()})
    log.write(os.environ.get("PREDICTION_LOG") or DEFAULT_LOG, lines)


def _plain(value: Any) -> Any:
    """Return what JSON can hold."""
    if pd.isna(value):
        return None
    return value.isoformat() if isinstance(value, pd.Timestamp) else value
{%- endif %}
