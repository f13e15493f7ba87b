"""A registry in memory and two small models, so that the service's tests need neither MLflow nor minutes."""

from __future__ import annotations

import math
import shutil
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from {{ cookiecutter.package }} import config, data, model
from {{ cookiecutter.package }}.registry import ModelVersion
from {{ cookiecutter.package }}.schema import COLUMNS, FEATURES, TARGET, Feature
from {{ cookiecutter.package }}.serving.app import create_app
from {{ cookiecutter.package }}.serving.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

with warnings.catch_warnings():
    # The client asks for a successor of httpx that is not out of its infancy.
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

SAMPLE = Path(__file__).parents[1] / "data"


@dataclass
class MemoryRegistry:
    """What the service needs of a registry, with a switch for outages."""

    versions: dict[str, tuple[ModelVersion, Path]] = field(default_factory=dict)
    current: str | None = None
    down: bool = False

    def add(self, version: str, folder: Path, sha256: str) -> None:
        self.versions[version] = (ModelVersion("model", version, "run", sha256, "data", {}), folder)

    def champion(self) -> ModelVersion | None:
        if self.down:
            raise ConnectionError("http://user:secret@registry is away")
        return None if self.current is None else self.versions[self.current][0]

    def download(self, version: ModelVersion, dest: Path) -> Path:
        return Path(shutil.copytree(self.versions[version.version][1], dest, dirs_exist_ok=True))


def _value(column: Feature, value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    kinds: dict[str, Callable[[Any], Any]] = {
        "integer": int,
        "boolean": bool,
        "number": float,
        "category": str,
    }
    return kinds[column.kind](value)


@pytest.fixture(scope="session")
def rows() -> pd.DataFrame:
    """Rows of the sample in normal form, those without a gap where none is allowed."""
    frame = data.read(SAMPLE)
    full = [column.name for column in COLUMNS if not column.nullable]
    return frame.dropna(subset=[*full, TARGET]).reset_index(drop=True)


@pytest.fixture(scope="session")
def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The first rows' features as a client would send them."""
    few = rows.head(20)
    return [
        {column.name: _value(column, few[column.name].iloc[number]) for column in COLUMNS}
        for number in range(len(few))
    ]


@pytest.fixture(scope="session")
def models(rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    """Two models that differ, by version: their folders and hashes."""
    made = {}
    for version, trees in (("1", 2), ("2", 12)):
        folder = tmp_path_factory.mktemp(f"model-{version}")
        fitted = model.fit(config.ModelParams(kind="boosting", max_iter=trees, learning_rate=0.5), rows)
        sha256 = model.save(fitted, folder, rows=len(rows), data_version="data")
        rows[[*FEATURES, TARGET]].to_parquet(folder / "reference.parquet")
        made[version] = (folder, sha256)
    return made


@pytest.fixture
def registry(models: dict[str, tuple[Path, str]]) -> MemoryRegistry:
    """A registry that holds both models, the first one as champion."""
    filled = MemoryRegistry()
    for version, (folder, sha256) in models.items():
        filled.add(version, folder, sha256)
    filled.current = "1"
    return filled


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a log of the test's own, a quick poll and small bounds."""
    return Settings(
        prediction_log=tmp_path / "predictions",
        model_poll_seconds=0.05,
        max_rows=20,
        max_body_bytes=100_000,
        body_timeout_seconds=0.5,
        header_timeout_seconds=0.5,
    )


@pytest.fixture
def client(settings: Settings, registry: MemoryRegistry) -> Iterator[TestClient]:
    """A running application that has its model."""
    with TestClient(create_app(settings, registry), raise_server_exceptions=False) as running:
        wait_until(lambda: running.get("/readyz").status_code == 200)
        yield running


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[[Callable[[], bool]], None]:
    return wait_until


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Fail the test unless the condition becomes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
