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
from typing import TYPE_CHECKING{% if cookiecutter.monitoring %}, Any
from uuid import uuid4{% endif %}

{% if cookiecutter.monitoring -%}
import pandas as pd

{% endif -%}
from . import data, model, registry, tables
from .errors import DataError, RegistryError
from .schema import FEATURES

if TYPE_CHECKING:
    from collections.abc import Callable
{%- if not cookiecutter.monitoring %}

    import pandas as pd
{%- endif %}


def predict(file: Path, output: Path, tell: Callable[[str], None] = lambda _: None) -> int:
    """Ask the champion about every row of a file, and write the rows with its answers.
{%- if cookiecutter.monitoring %}

    The predictions are also added to the prediction log, `PREDICTION_LOG` or logs/predictions, so that
    monitoring sees them. The written column `prediction_id` is what a true label names its prediction by.
{%- endif %}

    Args:
        file: a .csv or .parquet file with at least the features.
        output: where to write, as .csv or .parquet; it gets the columns `prediction` and, for classes,
            `probability`. Where the file has a column of such a name, `champion_` stands before ours.
        tell: is called with a remark about that.

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
    rows, inputs = _read(file)
    if output.suffix == ".parquet":
        # What was text in a CSV file gets the types of the schema.
        rows[list(FEATURES)] = inputs
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
    names = {name: _free(name, rows) for name in map(str, answers) if name in rows}
    _write(rows.join(answers.rename(columns=names)), output)
    if names:
        tell(f"{file.name} has columns {', '.join(names)}; the answers are in {', '.join(names.values())}")
    return len(rows)


def _read(file: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return all columns of a file, of CSV as text, to be written as they were; and the model's inputs."""
    with tempfile.TemporaryDirectory() as scratch:
        own = tables.own(file, FEATURES, data.NUMBERS, Path(scratch))
        columns = tables.columns(own)
        rows = tables.read(own, columns).reset_index(drop=True)
        if rows.empty:
            raise DataError(f"{file} holds no rows")
        known = [name for name in FEATURES if name in columns]
        return rows, data.features(tables.read(own, known, data.NUMBERS).reset_index(drop=True))


def _free(name: str, rows: pd.DataFrame) -> str:
    while name in rows:
        name = f"champion_{name}"
    return name


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
