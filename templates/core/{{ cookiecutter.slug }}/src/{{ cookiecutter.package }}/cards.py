"""The dataset card and the model card: written by the stages from what they measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .schema import CATEGORICAL, DESCRIPTION, FEATURES, TARGET, TASK, TIME, TITLE

if TYPE_CHECKING:
    import pandas as pd

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
        elif "min" in column:
            shown = f"{column['min']:g} to {column['max']:g}, mean {column['mean']:g}"
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
    importance: pd.DataFrame,
) -> str:
    """Return the model card.

    Args:
        metrics: what the evaluation found, as in metrics.json.
        card: what was stored beside the model, as in model.json.
        params: the parameters by dotted name.
        importance: `feature` and `importance`, the most important first.
    """
    rows, names = metrics["rows"], list(metrics["model"])
    figures: list[list[object]] = [
        [name, metrics["model"][name], metrics["baseline"][name], metrics["constant"][name]] for name in names
    ]
    how = f"the latest rows by {text(TIME)}" if TIME is not None else "rows chosen at random"
    return "\n\n".join(
        [
            f"# Model: {text(TITLE)}",
            text(DESCRIPTION),
            "\n".join(
                [
                    f"- Predicts: {text(TARGET)} ({TASK})",
                    f"- Trained on {rows['train']:,} rows of data version `{metrics['data_version']}`",
                    f"- Tested on {rows['test']:,} rows: {how}",
                    f"- Stored model: SHA-256 `{card['sha256']}`, scikit-learn {card['scikit_learn']}",
                ]
            ),
            "## Figures",
            (
                f"The metric that decides is **{metrics['metric']}**. The baseline is a linear model of the "
                "same features; the constant ignores them. The difference between model and baseline has a "
                f"standard error of {metrics['noise']:.4f}."
            ),
            table(["metric", "model", "baseline", "constant"], figures),
            "## What it relies on",
            f"Loss of {metrics['metric']} when a feature is shuffled among the test rows.",
            table(["feature", "loss"], [list(row) for row in importance.itertuples(index=False)]),
            "## Parameters",
            table(["parameter", "value"], [[name, value] for name, value in params.items()]),
            "## Limits",
            (
                "It knows only what its training rows show. Categories it has never seen count as average; "
                "the figures above hold for data like the test rows, and age as the world moves on.\n"
            ),
        ]
    )


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else text(value)
