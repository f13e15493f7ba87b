"""What a tour found: the figures of each step, as a person reads them and as report.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class StepResult:
    """One step: its name, how long it took, whether it worked, and the line that sums it up."""

    name: str
    seconds: float
    ok: bool
    summary: str = ""


@dataclass
class Report:
    """All steps and figures of a tour."""

    ok: bool = False
    steps: list[StepResult] = field(default_factory=list)
    model: dict[str, Any] = field(default_factory=dict)
    serving: dict[str, Any] = field(default_factory=dict)
    drift: dict[str, Any] = field(default_factory=dict)
    retraining: dict[str, Any] = field(default_factory=dict)
    leftovers: list[str] = field(default_factory=list)
    error: str = ""

    @property
    def seconds(self) -> float:
        """Wall time of all steps together."""
        return sum(step.seconds for step in self.steps)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON holds it."""
        steps = [{**asdict(step), "seconds": round(step.seconds, 1)} for step in self.steps]
        return {**asdict(self), "steps": steps, "seconds": round(self.seconds, 1)}

    def write(self, path: Path) -> None:
        """Write report.json."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
