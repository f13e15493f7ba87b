"""A registry in memory with one model, and a log of its predictions and of their true labels."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from {{ cookiecutter.package }} import config, data, evaluate, model
from {{ cookiecutter.package }}.monitoring import drift
from {{ cookiecutter.package }}.monitoring.check import COMPARED, Options
from {{ cookiecutter.package }}.registry import ModelVersion
from {{ cookiecutter.package }}.schema import CATEGORICAL, FEATURES, NUMERIC, TARGET

SAMPLE = Path(__file__).parents[1] / "data"
TIME = "2024-01-01T00:00:00.000+00:00"
WriteLog = Callable[..., Path]


@dataclass
class MemoryRegistry:
    """What the monitor needs of a registry, with a switch for outages."""

    folder: Path
    version: ModelVersion | None
    down: bool = False

    def champion(self) -> ModelVersion | None:
        if self.down:
            raise ConnectionError("the registry is away")
        return self.version

    def download(self, version: ModelVersion, dest: Path) -> Path:
        return Path(shutil.copytree(self.folder, dest, dirs_exist_ok=True))


@pytest.fixture(scope="session")
def compared() -> dict[Any, drift.Comparison]:
    """What Evidently found so far, by what it was asked."""
    return {}


@pytest.fixture(autouse=True)
def _once(compared: dict[Any, drift.Comparison], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask Evidently the same thing only once: it takes a second for a report."""
    compare = drift.compare

    def remember(
        reference: pd.DataFrame,
        current: pd.DataFrame,
        *rest: Any,
    ) -> drift.Comparison:
        asked = (reference.to_csv(), current.to_csv(), repr(rest))
        if asked not in compared:
            compared[asked] = compare(reference, current, *rest)
        return compared[asked]

    monkeypatch.setattr(drift, "compare", remember)


@pytest.fixture(scope="session")
def rows() -> pd.DataFrame:
    """The sample's rows in normal form."""
    return data.read(SAMPLE).dropna(subset=[TARGET]).reset_index(drop=True)


@pytest.fixture(scope="session")
def trained(rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ModelVersion]:
    """A small model's folder and version."""
    folder = tmp_path_factory.mktemp("model")
    fitted = model.fit(config.ModelParams(kind="boosting", max_iter=5), rows)
    sha256 = model.save(fitted, folder, rows=len(rows), data_version="data")
    rows[[*FEATURES, TARGET]].to_parquet(folder / "reference.parquet")
    metric = evaluate.primary(len(getattr(fitted, "classes_", ())))
    return folder, ModelVersion(
        name="model",
        version="1",
        run_id="run",
        sha256=sha256,
        data_version="data",
        metrics={metric: evaluate.score(fitted, rows)},
    )


@pytest.fixture
def registry(trained: tuple[Path, ModelVersion]) -> MemoryRegistry:
    """A registry with a champion."""
    return MemoryRegistry(*trained)


@pytest.fixture
def options(tmp_path: Path) -> Options:
    """Folders of the test's own."""
    return Options(log=str(tmp_path / "log"), reports=tmp_path / "reports")


@pytest.fixture(scope="session")
def moved(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows with every column somewhere else."""
    if not COMPARED:
        pytest.skip("all features are dates, which aren't compared")
    changed = rows.copy()
    for name in NUMERIC:
        spread = float(np.nanstd(rows[name])) or 1.0
        changed[name] = rows[name].fillna(0.0) + 10 * spread
    for name in CATEGORICAL:
        changed[name] = "</script><script>elsewhere"
    return changed


@pytest.fixture
def write_log(trained: tuple[Path, ModelVersion], options: Options) -> WriteLog:
    """Write predictions for `count` random rows of a frame to the log, as the service would.

    `actual` names the column that holds their true labels, which are then in the log too.
    """
    fitted = model.load(trained[0])

    def write(
        frame: pd.DataFrame,
        count: int,
        *,
        name: str = "predictions-a.jsonl",
        version: str = "1",
        actual: str | None = None,
    ) -> Path:
        some = frame.sample(count, replace=count > len(frame), random_state=7)
        answers = model.predict(fitted, some)
        path = Path(options.log) / name
        path.parent.mkdir(exist_ok=True)
        if actual is not None:
            labels = [
                {"id": f"{version}-{number}", "time": TIME, "actual": plain(some[actual].iloc[number])}
                for number in range(count)
            ]
            text = "".join(f"{json.dumps(label)}\n" for label in labels)
            path.with_name("feedback-a.jsonl").write_text(text, encoding="utf-8")
        with path.open("a", encoding="utf-8") as file:
            for number in range(count):
                line = {
                    "id": f"{version}-{number}",
                    "time": TIME,
                    "model_version": version,
                    "features": {key: plain(some[key].iloc[number]) for key in FEATURES},
                    **{key: plain(answers[key].iloc[number]) for key in answers},
                }
                file.write(json.dumps(line) + "\n")
        return path

    return write


@pytest.fixture
def write_feedback(options: Options) -> Callable[..., Path]:
    """Write true labels: one for each prediction in the log, made of the logged line."""

    def write(label: Callable[[dict[str, Any]], Any], *, name: str = "feedback-a.jsonl") -> Path:
        folder = Path(options.log)
        path = folder / name
        logged = [
            json.loads(line)
            for part in sorted(folder.glob("predictions-*.jsonl"))
            for line in part.read_text(encoding="utf-8").splitlines()
        ]
        entries = [{"id": line["id"], "time": TIME, "actual": label(line)} for line in logged]
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(entry) + "\n" for entry in entries)
        return path

    return write


def plain(value: Any) -> Any:
    """Return what JSON can hold."""
    value = value.item() if isinstance(value, np.generic) else value
    if value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    return value.isoformat() if isinstance(value, pd.Timestamp) else value
