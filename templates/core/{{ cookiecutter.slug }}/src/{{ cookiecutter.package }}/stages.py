"""The stages of a training run, from folder to folder.

DVC (`dvc.yaml`) and the Kubeflow pipeline call these same functions, which is why both give the same metrics.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from . import cards, costs, cross_validation, data, evaluate, model, plots, validation
from .errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from .config import Params
    from .tuning import Tuned

REFERENCE_ROWS = 5_000
TRAINING = "training.json"
TUNING = "tuning.json"
CROSS_VALIDATION = "cross_validation.json"
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
    """Fit the model and the baseline, store both under `models`, and cross-validate them.

    `training.json` says what it cost, `cross_validation.json` what it found. The model's folder also gets
    `reference.parquet`: training rows to compare live data with.

    Returns:
        The content of `training.json`: `seconds` and `cpu_seconds` of all of it, `peak_memory_mb`, and the
        seconds of each part: `model_seconds`, `baseline_seconds`, `cross_validation_cpu_seconds`, ...

    Raises:
        DataError: there are too few training rows.
    """
    rows = pd.read_parquet(prepared / "train.parquet")
    split = read_json(prepared / "split.json")
    model.build(params.model, len(rows))  # imports the libraries: the clock is to show the training alone
    parts: dict[str, float] = {}
    with costs.timed(parts, "model"):
        fitted = model.fit(params.model, rows)
    with costs.timed(parts, "baseline"):
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
    with costs.timed(parts, "cross_validation"):
        found = cross_validation.run(rows, params)
    _write_json(models / CROSS_VALIDATION, found)
    cost = costs.summed(parts)
    _write_json(models / TRAINING, cost)
    return cost


def tune(prepared: Path, reports: Path, params: Params, candidates: int) -> Tuned:
    """Search for better model parameters with the training rows alone.

    `tuning.json` under `reports` says what it cost: a training with what was found counts it in.

    Args:
        prepared: what `prepare` wrote.
        reports: where to write.
        params: the present parameters.
        candidates: how many to try, 2 or more.

    Raises:
        DataError: there are no prepared rows, or too few.
    """
    from . import tuning

    path = prepared / "train.parquet"
    if not path.exists():
        raise DataError(f"{path} doesn't exist", "prepare the data: make train")
    cost: dict[str, float] = {}
    with costs.timed(cost, "tuning"):
        found = tuning.search(pd.read_parquet(path), params, candidates)
    version = read_json(prepared / "split.json")["data_version"]
    _write_json(reports / TUNING, cost | {"data_version": version, "model": asdict(found.params)})
    return found


def evaluation(prepared: Path, models: Path, metrics: Path, reports: Path, params: Params) -> dict[str, Any]:
    """Measure model and baseline on the test rows.

    Writes the metrics file, and under `reports`: `model_card.md`, `training.json` with the cost of everything
    so far, and in `evaluation` the tables behind the plots of `dvc.yaml`.

    Returns: The content of the metrics file: `metric` (the one that decides), the metrics of `model`,
        `baseline` (linear) and `constant`, the `noise` of the model's lead over these two on the test rows,
        what the `cross_validation` of the training rows found, `rows` and `data_version`.
    """
    test = pd.read_parquet(prepared / "test.parquet")
    fitted, baseline = model.load(models / MODEL), model.load(models / BASELINE)
    crossed = read_json(models / CROSS_VALIDATION)
    train = pd.read_parquet(prepared / "train.parquet")
    split = read_json(prepared / "split.json")
    cost = read_json(models / TRAINING)
    with costs.timed(cost, "evaluation"):
        found = {
            "metric": evaluate.primary(len(getattr(fitted, "classes_", ()))),
            "model": evaluate.metrics(fitted, test),
            "baseline": evaluate.metrics(baseline, test),
            "constant": evaluate.constant(fitted, train, test),
            "noise": {
                "baseline": evaluate.noise(fitted, baseline, test, params.split.seed),
                "constant": evaluate.noise(fitted, None, test, params.split.seed),
            },
            "cross_validation": {key: value for key, value in crossed.items() if key != "each"},
        } | split
        tables = {
            "importance": evaluate.importance(fitted, test, params.split.seed),
            "predictions": evaluate.predictions(fitted, test),
            **plots.tables(fitted, train, test),
        }
    folder = reports / "evaluation"
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    if (reports / TUNING).exists():
        cost |= costs.of_tuning(read_json(reports / TUNING), split["data_version"], params)
    cost = costs.summed(cost)
    _write_json(reports / TRAINING, cost)
    card = cards.model(
        found,
        read_json(models / MODEL / model.CARD_FILE),
        # The gate's parameters have no part in what the model is.
        {name: value for name, value in params.flat().items() if not name.startswith("gate.")},
        cost=cost,
        folds=crossed.get("each", []),
        tables=tables,
    )
    (reports / "model_card.md").write_text(card, encoding="utf-8")
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


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
