"""What the tests import from each other."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from {{ cookiecutter.package }} import config, stages

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "tests/data/sample.csv"


@dataclass
class Trained:
    """Where the stages left what they made of the sample."""

    folder: Path
    params: config.Params
    metrics: dict = field(default_factory=dict)

    def __post_init__(self):
        self.raw = self.folder / "raw"
        self.prepared = self.folder / "prepared"
        self.models = self.folder / "models"
        self.reports = self.folder / "reports"

    def run(self):
        self.raw.mkdir(parents=True)
        shutil.copyfile(SAMPLE, self.raw / "sample.csv")
        stages.validate(self.raw, self.reports)
        stages.prepare(self.raw, self.prepared, self.params)
        stages.train(self.prepared, self.models, self.params)
        self.metrics = stages.evaluation(
            self.prepared, self.models, self.folder / "metrics.json", self.reports, self.params
        )
        return self

    @property
    def model(self):
        return self.models / stages.MODEL

    @property
    def test_rows(self):
        return pd.read_parquet(self.prepared / "test.parquet")
