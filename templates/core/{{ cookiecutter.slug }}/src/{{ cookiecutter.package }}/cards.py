"""The dataset card and the model card: written by the stages from what they measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from . import costs
from .gate import NOISE_ERRORS
from .schema import CATEGORICAL, DESCRIPTION, FEATURES, GROUP, TARGET, TASK, TIME, TITLE

if TYPE_CHECKING:
    import pandas as pd

CLASSES = 20  # named in a table or a sentence
RARE_ROWS = 10
FEW_ROWS = 100
TWO = 2
MARKUP = str.maketrans({character: "\\" + character for character in "\\`*_{}[]<>#|~"})


def text(value: object) -> str:
    """Return a value as one line of Markdown that shows it and does nothing else."""
    return " ".join(str(value).split()).translate(MARKUP)


def table(header: list[str], rows: list[list[object]]) -> str:
    """Return a Markdown table; strings are escaped, numbers shortened."""
    lines = [header, ["---"] * len(header), *[[_cell(value) for value in row] for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def dataset(report: dict[str, Any]) -> str:
    """Return the dataset card.

    Args:
        report: what `validation.report` returned.
    """
    rows: list[list[object]] = []
    for name in FEATURES:
        column = report["columns"][name]
        if name in CATEGORICAL:
            shown = f"{column['values']} values: {', '.join(column['commonest'])}"
        elif column["kind"] == "date" and "min" in column:
            shown = f"{column['min']} to {column['max']}"
        elif "mean" in column:
            shown = f"{column['min']:g} to {column['max']:g}, mean {column['mean']:g}"
        elif "min" in column:
            shown = f"{column['min']} to {column['max']}"
        else:
            shown = "always empty"
        rows.append([name, column["kind"], f"{column['missing'] / report['rows']:.1%}", shown])
    target = [[key, value] for key, value in report["target"].items()]
    facts = [
        f"- Version: `{report['data_version']}`",
        f"- Rows: {report['rows']:,} in {len(report['files'])} files",
        f"- Files: {', '.join(text(name) for name in report['files'])}",
    ]
    if TIME is not None:
        facts.append(f"- Period: {report['period'][0]} to {report['period'][1]} ({text(TIME)})")
    return "\n\n".join(
        [
            f"# Dataset: {text(TITLE)}",
            text(DESCRIPTION),
            "\n".join(facts),
            f"## Target: {text(TARGET)}",
            table(["class", "share"] if TASK == "classification" else ["figure", "value"], target),
            "## Features",
            table(["feature", "kind", "missing", "values"], rows) + "\n",
        ]
    )


def model(
    metrics: dict[str, Any],
    card: dict[str, Any],
    params: dict[str, str | int | float],
    *,
    cost: dict[str, float],
    folds: list[dict[str, float]],
    tables: dict[str, pd.DataFrame],
) -> str:
    """Return the model card.

    Args:
        metrics: what the evaluation found, as in metrics.json.
        card: what was stored beside the model, as in model.json.
        params: the parameters by dotted name.
        cost: of the training, as `stages.evaluation` writes it into training.json.
        folds: rows and scores of each fold of the cross-validation.
        tables: `importance`, and those of `plots.tables`.
    """
    rows, names = metrics["rows"], list(metrics["model"])
    figures: list[list[object]] = [
        [name, metrics["model"][name], metrics["baseline"][name], metrics["constant"][name]] for name in names
    ]
    how = "rows chosen at random" if GROUP is None else f"those of some {text(GROUP)}, chosen at random"
    if TIME is not None:
        how = f"the latest rows by {text(TIME)}"
    return "\n\n".join(
        [
            f"# Model: {text(TITLE)}",
            text(DESCRIPTION),
            "\n".join(
                [
                    f"- Predicts: {text(TARGET)} ({TASK})",
                    f"- Trained on {rows['train']:,} rows of data version `{metrics['data_version']}`",
                    f"- Tested on {rows['test']:,} rows: {how}",
                    f"- Training took {cost['seconds']:.1f} s, {cost['cpu_seconds']:.1f} s of processor time",
                    f"- Stored model: SHA-256 `{card['sha256']}`, scikit-learn {card['scikit_learn']}",
                ]
            ),
            "## Figures",
            _figures(metrics),
            table(["metric", "model", "baseline", "constant"], figures),
            "## Cross-validation",
            *_cross_validation(metrics, folds),
            *(_classes(tables["classes"]) if TASK == "classification" else _errors(tables["errors"])),
            "## Calibration",
            _calibration(tables["calibration"], len(card["classes"])),
            table(["predicted", "observed", "rows"], _rows(tables["calibration"])),
            "## What it relies on",
            f"Loss of {metrics['metric']} when a feature is shuffled among the test rows.",
            table(["feature", "loss"], _rows(tables["importance"])),
            "## Parameters",
            table(["parameter", "value"], [[name, value] for name, value in params.items()]),
            "## Cost",
            *_cost(cost),
            "## Limits",
            "\n".join(f"- {limit}" for limit in _limits(metrics, tables)) + "\n",
        ]
    )


def _figures(metrics: dict[str, Any]) -> str:
    said = [
        f"The metric that decides is **{metrics['metric']}**.",
        "The baseline is a linear model of the same features; the constant ignores them.",
    ]
    if TASK == "classification":
        said.append("The f1_macro of the constant is at least that of the model's answers in random order.")
    errors = " and ".join(f"{error:.4f} over the {kind}" for kind, error in metrics["noise"].items())
    said.append(f"The model's lead on the test rows has a standard error of {errors}.")
    return " ".join(said)


def _cost(cost: dict[str, float]) -> list[str]:
    parts = [part for part in costs.PARTS if f"{part}_seconds" in cost]
    rows: list[list[object]] = [
        [part.replace("_", " "), cost[f"{part}_seconds"], cost[f"{part}_cpu_seconds"]] for part in parts
    ]
    rows.append(["together", cost["seconds"], cost["cpu_seconds"]])
    return [
        table(["part", "seconds", "processor seconds"], rows),
        f"At the peak it took {cost[costs.MEMORY]:,.0f} MB of memory.",
    ]


def _cross_validation(metrics: dict[str, Any], folds: list[dict[str, float]]) -> list[str]:
    found, name = metrics["cross_validation"], metrics["metric"]
    if not found["folds"]:
        return [f"Left out: {text(found['reason'])}."]
    order = (
        f"each fold is tested on the period by {text(TIME)} that follows its training rows"
        if TIME is not None
        else "each row is tested once"
    )
    figures: list[list[object]] = [
        [kind, found[kind]["mean"], found[kind]["error"]] for kind in ("model", "baseline", "constant")
    ]
    return [
        f"Fitted and scored {found['folds']} times on the training rows; {order}.",
        table([name, "mean", "standard error"], figures),
        "\n".join(f"- Model minus {kind}: {_verdict(kind, lead)}." for kind, lead in found["lead"].items()),
        table(
            ["fold", "training rows", "test rows", "model", "baseline"],
            [
                [number, fold["train"], fold["test"], fold["model"], fold["baseline"]]
                for number, fold in enumerate(folds, start=1)
            ],
        ),
    ]


def _verdict(kind: str, lead: dict[str, float]) -> str:
    mean, error = lead["mean"], lead["error"]
    if abs(mean) <= NOISE_ERRORS * error:
        verdict = "too close to tell them apart"
    else:
        verdict = "beyond the noise" if mean > 0 else f"the {kind} is better, beyond the noise"
    return f"{mean:+.4f}, with a standard error of {error:.4f}: {verdict}"


def _classes(found: pd.DataFrame) -> list[str]:
    shown = found.sort_values("train_rows", kind="stable").head(CLASSES)
    part = f"Of the test rows, for the {len(shown)} rarest of {len(found)} classes; `classes.csv` has all."
    return [
        "## By class",
        "Of the test rows." if len(shown) == len(found) else part,
        table([name.replace("_", " ") for name in found.columns], _rows(shown)),
    ]


def _errors(found: pd.DataFrame) -> list[str]:
    rows: list[list[object]] = [[f"{share:.0%}", error] for share, error in found.itertuples(index=False)]
    return [
        "## Errors",
        f"How far answers are from the truth, in the unit of {text(TARGET)}.",
        table(["share of the test rows", "error at most"], rows),
    ]


def _calibration(found: pd.DataFrame, classes: int) -> str:
    gaps = (found["predicted"] - found["observed"]).abs()
    gap = float((gaps * found["rows"]).sum() / found["rows"].sum())
    if TASK == "regression":
        what = f"Test rows grouped by prediction, and the mean of {text(TARGET)} that they had."
    else:
        which = "the rarer class" if classes == TWO else "the class that was predicted"
        what = f"Test rows grouped by the probability of {which}, and the share that was of it."
    return f"{what} The two differ by {gap:.4g} on average."


def _limits(metrics: dict[str, Any], tables: dict[str, pd.DataFrame]) -> list[str]:
    limits = [
        "It knows only what its training rows show. Categories it has never seen count as average.",
        "The figures hold for data like the test rows, and age as the world moves on.",
    ]
    if metrics["rows"]["test"] < FEW_ROWS:
        limits.append(f"Only {metrics['rows']['test']} rows were tested: every figure above is rough.")
    if TASK == "classification":
        classes = tables["classes"]
        for wrong, what in (
            (classes["train_rows"] == 0, "It can't answer these classes, which no training row shows"),
            (
                (classes["train_rows"] > 0) & (classes["train_rows"] < RARE_ROWS),
                f"It saw fewer than {RARE_ROWS} training rows of these classes and hardly knows them",
            ),
            (
                (classes["train_rows"] > 0) & (classes["test_rows"] < RARE_ROWS),
                f"Fewer than {RARE_ROWS} test rows show these classes, so their figures are chance",
            ),
        ):
            names = [text(name) for name in classes["class"][wrong]]
            if names:
                more = f" and {len(names) - CLASSES} more" if len(names) > CLASSES else ""
                limits.append(f"{what}: {', '.join(names[:CLASSES])}{more}.")
    return limits


def _rows(frame: pd.DataFrame) -> list[list[object]]:
    return [list(row) for row in frame.itertuples(index=False)]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return text(value)
