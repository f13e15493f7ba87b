"""Two trainings side by side: their figures, parameters, data and cost, as a table and a plot.

A commit needs nothing but Git, which has its `metrics.json`, `dvc.lock`, `params.yaml` and
`reports/training.json`. A run or a registered version comes from the registry.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from . import config, git, promotion
from .errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable

WORKSPACE = "workspace"
TABLE = "comparison.md"
PLOT = "comparison.png"
COST = ("training_seconds", "training_cpu_seconds", "training_peak_memory_mb")
SHORT = 8  # characters of a commit or hash that are shown
COLUMNS = 4  # of plots
NONE = "–"  # noqa: RUF001 - a dash for what isn't there


@dataclass(frozen=True, slots=True)
class Training:
    """What is known about one training.

    Attributes:
        name: for the head of its column.
        figures: as `promotion.figures` gives them.
        params: by dotted name.
        facts: the commit, data version and stored model, as far as they are known.
    """

    name: str
    figures: dict[str, float]
    params: dict[str, str]
    facts: dict[str, str]


def find(name: str) -> Training:
    """Return the training that a name stands for.

    Args:
        name: `workspace` for the files as they are now; a commit, branch or tag; or what `registry.find`
            knows: a version, `champion`, or the id of a run.

    Raises:
        ConfigError: nothing has this name.
        DataError: it holds no metrics.
        RegistryError: the registry can't be reached.
    """
    if name == WORKSPACE:
        return _from_files(WORKSPACE, _workspace, {})
    if commit := git.resolve(name):
        shown = commit[:SHORT] if commit.startswith(name) else f"{name} ({commit[:SHORT]})"
        return _from_files(shown, lambda path: git.content(commit, path), {"commit": commit[:SHORT]})
    if name == "HEAD":
        raise ConfigError(
            "there is no commit yet to compare with",
            "git add --all && git commit --message 'First training'; then change something, and train again",
        )
    # Last, because a comparison of commits must not need a registry, nor wait for one.
    from . import registry

    version = registry.find(name)
    if version is None:
        raise ConfigError(
            f"{name!r} is no commit, branch or tag, and no version or run of the registry",
            f"the versions are listed by: make versions; the files as they are now are called {WORKSPACE!r}",
        )
    shown = f"version {version.version}" if version.version else f"run {version.run_id[:SHORT]}"
    commit = version.commit[:SHORT] + (" with changes" if version.changed else "")
    facts = {"commit": commit, "data version": version.data_version, "model": version.sha256[:SHORT]}
    return Training(shown, version.metrics, version.params, {k: v for k, v in facts.items() if v})


def table(first: Training, second: Training) -> str:
    """Return what differs, and all figures, as a Markdown table that is aligned to be read as it is."""
    rows = [["", first.name, second.name, "difference"]]
    facts = _side_by_side(first.facts, second.facts)
    params = _side_by_side(first.params, second.params)
    rows += [[*row, ""] for row in facts]
    rows += [[*row, ""] for row in params if row[1] != row[2]]
    for name in _union(first.figures, second.figures):
        one, other = first.figures.get(name), second.figures.get(name)
        difference = "" if one is None or other is None or one == other else f"{other - one:+.4g}"
        rows.append([name, _number(one), _number(other), difference])
    # A name may hold what would end a cell.
    rows = [[cell.replace("\\", "\\\\").replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]
    rules = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [rows[0], rules, *rows[1:]]
    return "".join(_line(row, widths) + "\n" for row in lines)


def remark(first: Training, second: Training) -> str:
    """Return what to know before reading the figures: a sentence where they are of different test rows."""
    split = [name for name in first.params | second.params if name.startswith("split.")]
    same = all(first.params.get(name) == second.params.get(name) for name in split)
    if same and first.facts.get("data version") == second.facts.get("data version"):
        return ""
    return (
        "They were tested on different rows, since data or split differ: "
        "a part of what the figures differ by comes from that.\n"
    )


def plot(first: Training, second: Training, path: Path) -> None:
    """Draw the model's figures and its cost, a small chart each, since their scales differ."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [
        name
        for name in _union(first.figures, second.figures)
        if name in first.figures and name in second.figures and _is_drawn(name, first.figures)
    ]
    lines = max(1, -(-len(names) // COLUMNS))
    figure = Figure(figsize=(2.6 * COLUMNS, 2.4 * lines + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    charts = figure.subplots(lines, COLUMNS, squeeze=False).flatten()
    for chart, name in zip(charts, names, strict=False):
        bars = chart.bar([0, 1], [first.figures[name], second.figures[name]], color=["#9aa5b1", "#1f6feb"])
        chart.bar_label(bars, fmt="{:.4g}", padding=2, fontsize=8)
        chart.set_title(name, fontsize=9, parse_math=False)
        chart.set_xticks([])
        chart.margins(y=0.2)
        chart.spines[["top", "right"]].set_visible(False)
    for chart in charts[len(names) :]:
        chart.set_axis_off()
    title = f"grey: {first.name}   blue: {second.name}"
    figure.suptitle(title, fontsize=10, parse_math=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def write(first: Training, second: Training, reports: Path) -> str:
    """Write the table, with a remark, and the plot into a folder; return what was written as text."""
    reports.mkdir(parents=True, exist_ok=True)
    found = "\n".join(filter(None, (table(first, second), remark(first, second))))
    (reports / TABLE).write_text(found, encoding="utf-8")
    plot(first, second, reports / PLOT)
    return found


def _from_files(name: str, read: Callable[[str], bytes | None], facts: dict[str, str]) -> Training:
    metrics = _parsed(name, "metrics.json", read)
    if metrics is None:
        raise DataError(f"{name} has no metrics.json", "train there and commit what it wrote: make train")
    cost = _parsed(name, "reports/training.json", read) or {}
    try:
        figures = promotion.figures(metrics, cost)
        facts = facts | {"data version": str(metrics["data_version"])}
    except (AttributeError, LookupError, TypeError) as error:
        raise DataError(f"metrics.json of {name} isn't what this project writes: {error}") from error
    return Training(name, figures, _params(name, read), facts)


def _params(name: str, read: Callable[[str], bytes | None]) -> dict[str, str]:
    """Return the parameters that the training used.

    `params.yaml` may have been edited since; `dvc.lock` says what the stages ran with.
    """
    found = _flat(_parsed(name, str(config.PARAMS), read) or {})
    lock = _parsed(name, "dvc.lock", read) or {}
    for stage in lock.get("stages", {}).values():
        found |= _flat(stage.get("params", {}).get(str(config.PARAMS), {}))
    return {key: str(value) for key, value in found.items()}


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def _parsed(name: str, path: str, read: Callable[[str], bytes | None]) -> dict[str, Any] | None:
    content = read(path)
    if content is None:
        return None
    try:
        parsed = json.loads(content) if path.endswith(".json") else yaml.safe_load(content)
    except (ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path} of {name} can't be read: {error}") from error
    if not isinstance(parsed, dict):
        raise DataError(f"{path} of {name} holds no names and values")
    return parsed


def _workspace(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return None


def _is_drawn(name: str, figures: dict[str, float]) -> bool:
    """Say whether a figure is the model's own, which has the baseline's beside it, or what it cost."""
    return name in COST or f"baseline_{name}" in figures


def _union(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    return list(first | second)


def _side_by_side(first: dict[str, str], second: dict[str, str]) -> list[list[str]]:
    return [[name, first.get(name, NONE), second.get(name, NONE)] for name in _union(first, second)]


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.6g}"


def _line(row: list[str], widths: list[int]) -> str:
    first, *others = row
    cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
    return f"| {' | '.join([first.ljust(widths[0]), *cells])} |"
