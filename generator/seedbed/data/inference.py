"""From what the columns hold to what the spec says: the task, the inputs and their kinds, the time.

Everything found here ends as ordinary keys of the spec; what the person says stands above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast, get_args

from seedbed import spec as specs
from seedbed.data import leaks, suspicion
from seedbed.data.profile import COUNTED, Column, Profile, share_of_numbers
from seedbed.errors import SpecError

DROP = "drop"
KINDS = tuple(kind for kind in get_args(specs.FeatureKind) if not kind.endswith("?"))
Role = Literal["target", "time", "feature", "left out"]

_MOST_CLASSES = 100
_MOST_NUMBERED_CLASSES = 20  # integers with more different values are taken for amounts
_ROWS_OF_A_CLASS = 5  # on average, below which integers are taken for amounts
_FEW_ROWS = 100
_RARE = 20  # rows of a class, below which its figures mean little


@dataclass(frozen=True)
class Finding:
    """One column: what becomes of it, and why.

    Attributes:
        name: its header.
        role: target, time, feature, or left out.
        kind: what it holds; of a feature, a question mark says that rows may leave it empty.
        missing: share of the rows without a value, 0 to 1.
        distinct: number of different values; None for more than are counted.
        example: some value of it.
        reason: why it is what it is, where that is not plain.
    """

    name: str
    role: Role
    kind: str
    missing: float
    distinct: int | None
    example: str
    reason: str = ""


@dataclass(frozen=True)
class Inference:
    """What a table says about itself."""

    rows: int
    task: specs.Task
    target: str
    time: str
    columns: tuple[Finding, ...]
    doubts: tuple[str, ...] = field(default=())

    def answers(self) -> dict[str, Any]:
        """The keys of the spec that follow."""
        features = {column.name: column.kind for column in self.columns if column.role == "feature"}
        data = {"target": self.target, "time": self.time, "features": features}
        return {"project": {"task": self.task}, "data": data}

    def as_dict(self) -> dict[str, Any]:
        """The inference as `--json` shows it."""
        return asdict(self)


def infer(
    profile: Profile,
    target: str,
    *,
    time: str | None = None,
    kinds: Mapping[str, str] | None = None,
    task: specs.Task | None = None,
) -> Inference:
    """Decide what each column is for.

    Args:
        profile: what the columns hold.
        target: the column to predict.
        time: the column that orders the rows; "" for none, None to look for one.
        kinds: the person's word on columns: a kind, or DROP.
        task: the person's word on the task.

    Raises:
        SpecError: the target can't be learned, a named column is missing, or holds something else than is said.
    """
    kinds = dict(kinds or {})
    for key, name in (("data.target", target), ("data.time", time), *(("data.features", name) for name in kinds)):
        if name and name not in profile.columns:
            raise SpecError(
                f"{key}: the data has no column {name!r}", hint=f"It has: {', '.join(list(profile.columns)[:40])}"
            )
    goal = profile.columns[target]
    task, doubts = _task(goal, task)
    if time is None:
        time = suspicion.time_column(profile, [target, *kinds], goal if task == "classification" else None)
        if time:
            doubts.append(
                f"{time} orders the rows, so the latest are held back for the evaluation; "
                f"`--time ''` makes it an input instead and holds back random rows"
            )
    elif time:
        _check_time(profile.columns[time])
    findings = tuple(_finding(column, goal, time, kinds.get(column.name), task) for column in profile.columns.values())
    if not any(finding.role == "feature" for finding in findings):
        reasons = "\n".join(f"  - {found.name}: {found.reason}" for found in findings if found.role == "left out")
        raise SpecError(
            f"No column is left to predict {target} from:\n{reasons}",
            hint="Take one in with --column NAME=KIND if the reason doesn't hold.",
        )
    if profile.rows < _FEW_ROWS:
        doubts.append(f"only {profile.rows} rows: no figure about the model will mean much")
    doubts += [
        f"{column.name} holds numbers, but also {column.odd!r}: taken for text; correct the file if that means missing"
        for column in profile.columns.values()
        if column.odd is not None and column.name not in kinds and _mostly_numbers(column)
    ]
    doubts += [
        f"{profile.columns[name].missing:,} rows without {name} are left out"
        for name in filter(None, (target, time))
        if profile.columns[name].missing
    ]
    return Inference(profile.rows, task, target, time, findings, tuple(doubts))


def _mostly_numbers(column: Column) -> bool:
    """Whether a column of text is nearly all numbers."""
    return share_of_numbers(column.sample) > 0.5  # noqa: PLR2004


def _task(goal: Column, said: specs.Task | None) -> tuple[specs.Task, list[str]]:
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
    if said == "regression" and not numeric:
        raise SpecError(
            f"project.task: regression needs numbers, and {goal.name} holds {goal.sample[0]!r}",
            hint="Leave project.task out, or name another target.",
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
        rare = [f"{label} ({count})" for label, count in sorted((goal.counts or {}).items()) if count < _RARE]
        if rare:
            more = ", …" if len(rare) > 5 else ""  # noqa: PLR2004
            doubts.append(f"few rows of {goal.name} = {', '.join(rare[:5])}{more}: figures about them mean little")
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


def _check_time(column: Column) -> None:
    if "date" not in column.kinds or not column.present:
        example = next((value for value in column.sample if value is not None), None)
        raise SpecError(
            f"data.time: {column.name} holds {example!r}; times are ISO 8601, such as 2024-05-31 or 2024-05-31 14:00",
            hint="Write the column in that form, or name another with --time.",
        )


def _kind(column: Column) -> str:
    kind = next((kind for kind in ("integer", "number", "boolean", "date") if kind in column.kinds), "category")
    return _nullable(column, kind)


def _given(column: Column, given: str) -> str:
    kind = given.removesuffix("?")
    if kind == DROP:
        return _kind(column)
    if kind not in KINDS:
        raise SpecError(f"data.features.{column.name}: {given!r} is not one of {', '.join(KINDS)}, {DROP}")
    if kind != "category" and kind not in column.kinds:
        values = [value for value in column.sample if value is not None]
        example = column.odd if kind in {"number", "integer"} and column.odd else (values or ["nothing"])[0]
        raise SpecError(
            f"data.features.{column.name}: not every value is of the kind {kind}, for example {example!r}",
            hint=f"It can be: {', '.join(k for k in KINDS if k in column.kinds or k == 'category')}, {DROP}.",
        )
    return given if given.endswith("?") else _nullable(column, kind)


def _nullable(column: Column, kind: str) -> str:
    return f"{kind}?" if column.missing else kind


def _leak(column: Column, goal: Column, kind: str, task: specs.Task) -> str:
    if leaks.is_copy(column.sample, goal.sample):
        return f"says the same as {goal.name}"
    numeric = kind.rstrip("?") in {"number", "integer"}
    power = leaks.power(column.sample, goal.sample, numeric=numeric, task=task)
    if power >= leaks.SUSPICIOUS:
        return f"tells {goal.name} nearly by itself ({power:.0%}): known only after the fact?"
    return ""


def _target_reason(goal: Column, task: specs.Task) -> str:
    if task == "regression":
        return "numbers: regression"
    return f"{len(goal.counts or ())} classes: classification"


def _finding(column: Column, goal: Column, time: str, said: str | None, task: specs.Task) -> Finding:
    role: Role
    kind: str
    if column is goal:
        role, kind, reason = "target", task, _target_reason(column, task)
    elif column.name == time:
        role, kind, reason = "time", "date", "orders the rows"
    elif said:
        role, kind, reason = ("left out" if said == DROP else "feature"), _given(column, said), "as you said"
    else:
        kind = _kind(column)
        reason = suspicion.reason_to_leave_out(column) or _leak(column, goal, kind, task)
        role = "left out" if reason else "feature"
    return Finding(
        name=column.name,
        role=role,
        kind=kind,
        missing=column.missing / column.rows if column.rows else 0.0,
        distinct=None if column.counts is None else len(column.counts),
        example=next((value for value in column.sample if value is not None), ""),
        reason=reason,
    )


def as_task(text: str | None) -> specs.Task | None:
    """A task that somebody wrote; anything else is left for the spec's own check to refuse."""
    return cast("specs.Task", text) if text in get_args(specs.Task) else None
