"""What a training costs: seconds, and processor seconds, of each part of it, and the memory at the peak."""

from __future__ import annotations

import resource
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .config import Params

PARTS = ("tuning", "model", "baseline", "cross_validation", "evaluation")
UNITS = ("seconds", "cpu_seconds")
MEMORY = "peak_memory_mb"


@contextmanager
def timed(cost: dict[str, float], part: str) -> Iterator[None]:
    """Add what the block took as `<part>_seconds` and `<part>_cpu_seconds`, ended processes included."""
    started, cpu = time.perf_counter(), _processor()
    yield
    for unit, taken in zip(UNITS, (time.perf_counter() - started, _processor() - cpu), strict=True):
        cost[f"{part}_{unit}"] = round(taken, 3)


def summed(cost: Mapping[str, float]) -> dict[str, float]:
    """Return a cost with the sums of its parts first: `seconds` and `cpu_seconds`; and the memory.

    Args:
        cost: of some parts; sums that are in it are made anew.
    """
    parts = {name: cost[name] for part in PARTS for unit in UNITS if (name := f"{part}_{unit}") in cost}
    sums = {unit: round(sum(parts.get(f"{part}_{unit}", 0) for part in PARTS), 3) for unit in UNITS}
    peak = max(cost.get(MEMORY, 0), round(_peak_memory_mb(), 1))
    return {**sums, MEMORY: peak, **parts}


def of_tuning(record: Mapping[str, Any], data_version: str, params: Params) -> dict[str, float]:
    """Return the cost of the search that found a training's parameters; nothing if it was for other data.

    Args:
        record: what `stages.tune` wrote; empty if there was no search.
        data_version: of the training.
        params: of the training.
    """
    if (record.get("data_version"), record.get("model")) != (data_version, asdict(params.model)):
        return {}
    return {name: record[name] for unit in UNITS if (name := f"tuning_{unit}") in record}


def _processor() -> float:
    # Not `os.times`, which counts in hundredths of a second: small models are fitted in less.
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
