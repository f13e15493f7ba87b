"""A registry in memory with one model, and a log of its predictions."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from {{ cookiecutter.package }} import config, data, model
from {{ cookiecutter.package }}.monitoring.check import Options
from {{ cookiecutter.package }}.registry import ModelVersion
from {{ cookiecutter.package }}.schema import CATEGORICAL, FEATURES, NUMERIC, TARGET

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = Path(__file__).parents[1] / "data"
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
    return folder, ModelVersion("model", "1", "run", sha256, "data", {})


@pytest.fixture
def registry(trained: tuple[Path, ModelVersion]) -> MemoryRegistry:
    """A registry with a champion."""
    return MemoryRegistry(*trained)


@pytest.fixture
def options(tmp_path: Path) -> Options:
    """Folders of the test's own."""
    return Options(prediction_log=tmp_path / "log", reports=tmp_path / "reports")


@pytest.fixture(scope="session")
def moved(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows with every column somewhere else."""
    changed = rows.copy()
    for name in NUMERIC:
        spread = float(np.nanstd(rows[name])) or 1.0
        changed[name] = rows[name].fillna(0.0) + 10 * spread
    for name in CATEGORICAL:
        changed[name] = "</script><script>elsewhere"
    return changed


@pytest.fixture
def write_log(trained: tuple[Path, ModelVersion], options: Options) -> WriteLog:
    """Write predictions for `count` random rows of a frame to the log, as the service would."""
    fitted = model.load(trained[0])

    def write(frame: pd.DataFrame, count: int, *, name: str = "a.jsonl", version: str = "1") -> Path:
        some = frame[list(FEATURES)].sample(count, replace=count > len(frame), random_state=7)
        answers = model.predict(fitted, some)
        path = options.prediction_log / name
        path.parent.mkdir(exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            for number in range(count):
                line = {
                    "id": f"{number:032x}",
                    "time": "2024-01-01T00:00:00.000+00:00",
                    "model_version": version,
                    "features": {key: plain(some[key].iloc[number]) for key in FEATURES},
                    "prediction": plain(answers["prediction"].iloc[number]),
                    "probability": plain(answers["probability"].iloc[number])
                    if "probability" in answers
                    else None,
                }
                file.write(json.dumps(line) + "\n")
        return path

    return write


def plain(value: Any) -> Any:
    """Return what JSON can hold."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and math.isnan(value) else value
