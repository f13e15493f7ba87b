"""The stages of a training run, from folder to folder.

DVC (`dvc.yaml`) and the Kubeflow pipeline call these same functions, which is why both give the same metrics.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

import pandas as pd

from . import cards, data, evaluate, model, validation
from .errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from .config import Params

REFERENCE_ROWS = 5_000
MODEL = "model"
BASELINE = "baseline"


def validate(raw: Path, reports: Path) -> dict[str, Any]:
    """Check the raw data, and write `validation.json` and `dataset_card.md`.

    Args:
        raw: the folder of data files.
        reports: where to write.

    Returns:
        The content of `validation.json`.

    Raises:
        DataError: the data breaks the schema.
    """
    report = validation.report(raw)
    _write_json(reports / "validation.json", report)
    (reports / "dataset_card.md").write_text(cards.dataset(report), encoding="utf-8")
    return report


def prepare(raw: Path, prepared: Path, params: Params) -> dict[str, Any]:
    """Split the data into `train.parquet` and `test.parquet`, in normal form; `split.json` describes them.

    Returns:
        The content of `split.json`: `data_version`, and `rows` of each side.

    Raises:
        DataError: the data can't be read or split.
    """
    train, test = data.split(data.read(raw), params.split)
    prepared.mkdir(parents=True, exist_ok=True)
    train.to_parquet(prepared / "train.parquet", index=False)
    test.to_parquet(prepared / "test.parquet", index=False)
    summary = {"data_version": data.version(raw), "rows": {"train": len(train), "test": len(test)}}
    _write_json(prepared / "split.json", summary)
    return summary


def train(prepared: Path, models: Path, params: Params) -> dict[str, float]:
    """Fit the model and the baseline, and store both under `models`, with what it cost in `training.json`.

    The model's folder also gets `reference.parquet`: training rows to compare live data with.

    Returns:
        The content of `training.json`: `seconds`, `cpu_seconds` and `peak_memory_mb`.
    """
    from dataclasses import replace

    rows = pd.read_parquet(prepared / "train.parquet")
    split = read_json(prepared / "split.json")
    model.build(params.model, len(rows))  # imports the libraries: the clock is to show the training alone
    started, cpu = time.perf_counter(), time.process_time()
    fitted = model.fit(params.model, rows)
    cost = {
        "seconds": round(time.perf_counter() - started, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "peak_memory_mb": round(_peak_memory_mb(), 1),
    }
    baseline = model.fit(replace(params.model, kind="linear"), rows)
    about = {
        "rows": len(rows),
        "data_version": split["data_version"],
        "origin": data.provenance(rows, params.split),
    }
    model.save(fitted, models / MODEL, **about)
    model.save(baseline, models / BASELINE, **about)
    reference = rows.sample(n=min(len(rows), REFERENCE_ROWS), random_state=params.split.seed).sort_index()
    reference.to_parquet(models / MODEL / "reference.parquet", index=False)
    _write_json(models / "training.json", cost)
    return cost


def evaluation(prepared: Path, models: Path, metrics: Path, reports: Path, params: Params) -> dict[str, Any]:
    """Measure model and baseline on the test rows.

    Writes the metrics file, and under `reports`: `model_card.md`, `evaluation/importance.csv` and
    `evaluation/predictions.csv`.

    Returns: The content of the metrics file: `metric` (the one that decides), the metrics of `model`,
        `baseline` (linear) and `constant`, the `noise` between model and baseline, `rows` and `data_version`.
    """
    test = pd.read_parquet(prepared / "test.parquet")
    fitted, baseline = model.load(models / MODEL), model.load(models / BASELINE)
    found = {
        "metric": evaluate.primary(len(getattr(fitted, "classes_", ()))),
        "model": evaluate.metrics(fitted, test),
        "baseline": evaluate.metrics(baseline, test),
        "constant": evaluate.constant(pd.read_parquet(prepared / "train.parquet"), test),
        "noise": evaluate.noise(fitted, baseline, test, params.split.seed),
    } | read_json(prepared / "split.json")
    importance = evaluate.importance(fitted, test, params.split.seed)
    plots = reports / "evaluation"
    plots.mkdir(parents=True, exist_ok=True)
    importance.to_csv(plots / "importance.csv", index=False)
    evaluate.predictions(fitted, test).to_csv(plots / "predictions.csv", index=False)
    card = read_json(models / MODEL / model.CARD_FILE)
    (reports / "model_card.md").write_text(
        cards.model(found, card, params.flat(), importance), encoding="utf-8"
    )
    _write_json(metrics, found)
    return found


def read_json(path: Path) -> dict[str, Any]:
    """Return what an earlier stage wrote.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} can't be read: {error}", "run the stages in order: make train") from error
    return content


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
