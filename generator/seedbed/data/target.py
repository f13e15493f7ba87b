"""The column to predict: what the task is, which classes there are, and whether there are enough rows of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from seedbed import spec as specs
from seedbed.data import suspicion
from seedbed.data.profile import COUNTED, Column
from seedbed.errors import SpecError

_MOST_CLASSES = 100
_MOST_NUMBERED_CLASSES = 20  # integers with more different values are taken for amounts
_ROWS_OF_A_CLASS = 5  # on average, below which integers are taken for amounts
_RARE = 20  # rows of a class, below which its figures mean little
_FEW_ROWS = 100
_FEWEST_ROWS = 20  # with fewer, the split may well leave nothing to train on, or nothing to test with
_BOOLEANS = {"false": False, "true": True}
_WHOLE = re.compile(r"[+-]?(0|[1-9]\d{0,17})(\.0+)?")


def task(goal: Column, said: specs.Task | None) -> tuple[specs.Task, list[str]]:
    """What the task is, and what is doubtful about that.

    Args:
        goal: the target.
        said: the person's word.

    Raises:
        SpecError: the target can't be learned.
    """
    if not goal.present:
        raise SpecError(f"data.target: {goal.name} is empty in every row", hint="Name another column with --target.")
    distinct = None if goal.counts is None else len(goal.counts)
    if distinct == 1:
        value = next(iter(goal.counts or ()))
        raise SpecError(
            f"data.target: {goal.name} is {value!r} in every row, so there is nothing to learn",
            hint="Name another column with --target, or add rows with other values.",
        )
    numeric = "number" in goal.kinds
    doubts: list[str] = []
    if not numeric and said != "classification" and (form := suspicion.foreign_form(goal)):
        what, _, todo = form.partition(": ")
        raise SpecError(
            f"data.target: {goal.name} {what}",
            hint=f"{todo.capitalize()}; if these are classes: --set project.task=classification",
        )
    if said == "regression" and not numeric:
        raise SpecError(
            f"project.task: regression needs numbers, and {goal.name} also holds {goal.odd!r}",
            hint="Correct those values in the file, leave project.task out, or name another target.",
        )
    task = said
    if task is None:
        numbered = _whole(goal) and distinct is not None and distinct <= _MOST_NUMBERED_CLASSES
        few = distinct is not None and goal.present >= _ROWS_OF_A_CLASS * distinct
        task = "regression" if numeric and not (numbered and few) else "classification"
        if numeric and task == "classification" and distinct != 2:  # noqa: PLR2004
            doubts.append(
                f"the {distinct} whole numbers in {goal.name} are taken for classes; "
                f"if they are amounts: --set project.task=regression"
            )
    if task == "classification":
        _check_classes(goal, distinct)
    elif said is None and (reason := suspicion.is_counter(goal)):
        raise SpecError(
            f"data.target: {goal.name} is an identifier, it seems: {reason}",
            hint="Name the column to predict with --target; if this is it: --set project.task=regression",
        )
    return task, doubts


def _check_classes(goal: Column, distinct: int | None) -> None:
    if distinct is not None and distinct <= _MOST_CLASSES and goal.present > distinct:
        return
    many = f"more than {COUNTED}" if distinct is None else str(distinct)
    what = suspicion.is_text(goal) or suspicion.is_identifier(goal) or "it can't be learned as classes"
    amount = "; `--set project.task=regression` predicts amounts" if "number" in goal.kinds else ""
    raise SpecError(
        f"data.target: {goal.name} has {many} different values in {goal.present:,} rows: {what}",
        hint=f"Name a column with at most {_MOST_CLASSES} classes, or with numbers{amount}.",
    )


def _whole(column: Column) -> bool:
    """Whether a column holds whole numbers, which a file with missing values may write as 1.0."""
    if "integer" in column.kinds:
        return True
    return "number" in column.kinds and column.counts is not None and all(float(v).is_integer() for v in column.counts)


def classes(labels: Iterable[str]) -> tuple[specs.Class, ...]:
    """The classes that texts stand for, sorted: booleans, whole numbers or text, whichever all of them can be."""
    texts = {label.lower() for label in labels}
    if texts & _BOOLEANS.keys() and texts <= {*_BOOLEANS, "0", "1", "0.0", "1.0"}:
        return tuple(sorted({_BOOLEANS[text] if text in _BOOLEANS else bool(float(text)) for text in texts}))
    if all(_WHOLE.fullmatch(text) for text in texts):
        return tuple(sorted({int(float(text)) for text in texts}))
    return tuple(sorted(set(labels)))


def require_enough(name: str, rows: int, counts: Counter[str] | None) -> None:
    """Refuse data that can't be divided into rows to train on and rows to test with.

    Args:
        name: of the target.
        rows: that have one.
        counts: of each class; None for a regression.

    Raises:
        SpecError: there are too few rows, or too few of other classes than the commonest.
    """
    if rows < _FEWEST_ROWS:
        raise SpecError(
            f"data.source: {rows} rows with {name} are too few to train on some and test with the others",
            hint=f"Bring {_FEWEST_ROWS} at least; figures begin to mean something at a few hundred.",
        )
    if counts is not None and rows - max(counts.values()) < 2:  # noqa: PLR2004, one for each side
        label = max(counts, key=counts.__getitem__)
        raise SpecError(
            f"data.target: {name} is {label!r} in all rows but {rows - counts[label]}: none is left to test with",
            hint="Bring more rows of other classes.",
        )


def few(goal: Column, task: specs.Task) -> list[str]:
    """What few rows, or few of a class, mean for the split and the figures.

    Raises:
        SpecError: as `require_enough` says.
    """
    counts = goal.counts if task == "classification" else None
    require_enough(goal.name, goal.present, counts)
    doubts = [f"only {goal.present} rows: no figure about the model will mean much"] if goal.present < _FEW_ROWS else []
    if counts is None:
        return doubts
    rare = [f"{label} ({count})" for label, count in sorted(counts.items()) if count < _RARE]
    if rare:
        more = ", …" if len(rare) > 5 else ""  # noqa: PLR2004
        doubts.append(f"few rows of {goal.name} = {', '.join(rare[:5])}{more}: figures about them mean little")
    if (others := goal.present - max(counts.values())) < _RARE:
        doubts.append(
            f"with {others} rows of other classes than the commonest, training or test rows may by chance get none; "
            "`make train` then says so, and another split.seed in params.yaml helps, or more rows"
        )
    return doubts
