"""From what the columns hold to what the spec says: the task, the inputs and their kinds, the time.

Everything found here ends as ordinary keys of the spec; what the person says stands above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from shlex import quote
from typing import Any, Literal, cast, get_args

from seedbed import spec as specs
from seedbed.data import leaks, suspicion
from seedbed.data import target as target_of
from seedbed.data.numbers import is_like_number
from seedbed.data.profile import Column, Profile
from seedbed.errors import SpecError

DROP = "drop"
KINDS = tuple(kind for kind in get_args(specs.FeatureKind) if not kind.endswith("?"))
Role = Literal["target", "time", "group", "feature", "left out"]


@dataclass(frozen=True)
class Finding:
    """One column: what becomes of it, and why.

    Attributes:
        name: its header.
        role: target, time, group, feature, or left out.
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
    group: str
    classes: tuple[specs.Class, ...]
    columns: tuple[Finding, ...]
    doubts: tuple[str, ...] = field(default=())

    def answers(self) -> dict[str, Any]:
        """The keys of the spec that follow."""
        features = {column.name: column.kind for column in self.columns if column.role == "feature"}
        data = {"target": self.target, "time": self.time, "group": self.group, "features": features}
        return {"project": {"task": self.task}, "data": {**data, "classes": list(self.classes)}}

    def as_dict(self) -> dict[str, Any]:
        """The inference as `--json` shows it."""
        return asdict(self)


def infer(
    profile: Profile,
    target: str,
    *,
    time: str | None = None,
    group: str | None = None,
    kinds: Mapping[str, str] | None = None,
    task: specs.Task | None = None,
) -> Inference:
    """Decide what each column is for.

    Args:
        profile: what the columns hold.
        target: the column to predict.
        time: the column that orders the rows; "" for none, None to look for one.
        group: the column that says what rows belong to; "" for none, None to look for one if there is no time.
        kinds: the person's word on columns: a kind, or DROP.
        task: the person's word on the task.

    Raises:
        SpecError: the target can't be learned, a named column is missing, or holds something else than is said.
    """
    kinds = dict(kinds or {})
    named = [("target", target), ("time", time), ("group", group), *(("features", name) for name in kinds)]
    for key, name in named:
        if name and name not in profile.columns:
            raise SpecError(
                f"data.{key}: the data has no column {name!r}", hint=f"It has: {', '.join(list(profile.columns)[:40])}"
            )
    goal = profile.columns[target]
    task, doubts = target_of.task(goal, task)
    if time is None and not group:
        time = suspicion.time_column(profile, [target, *kinds], goal if task == "classification" else None)
        if time:
            doubts.append(
                f"{time} orders the rows, so the latest are held back for the evaluation; "
                f"`--time ''` makes it an input instead and holds back random rows"
            )
    elif time:
        _check_time(profile.columns[time], goal, task)
    belongs = [column for column in profile.columns.values() if column.name not in {target, time, *kinds}]
    belongs = sorted(filter(suspicion.is_group, belongs), key=suspicion.different)
    if group is None:
        group = "" if time or not belongs else belongs[-1].name
        doubts += _apart(belongs, time, group)
    roles: dict[str, tuple[Role, str]] = {
        time or "": ("time", "orders the rows"),
        group: ("group", "says what rows belong to"),
        target: ("target", _target_reason(goal, task)),
    }
    powers: dict[str, float] = {}
    findings = tuple(
        _finding(column, goal, roles.get(column.name), kinds.get(column.name), task, powers)
        for column in profile.columns.values()
    )
    features = [found.name for found in findings if found.role == "feature"]
    if not features:
        reasons = "\n".join(f"  - {found.name}: {found.reason}" for found in findings if found.role == "left out")
        raise SpecError(
            f"No column is left to predict {target} from:\n{reasons}",
            hint="Take one in with --column NAME=KIND if the reason doesn't hold.",
        )
    doubts += target_of.few(goal, task)
    unsure = [profile.columns[name] for name in features if name not in kinds]
    doubts += leaks.doubtful(unsure, goal, powers, task)
    doubts += [
        f"{column.name} holds whole numbers that may be codes, by its name: --column {quote(column.name)}=category"
        for column in filter(suspicion.is_code, unsure)
    ]
    doubts += [
        f"{column.name} counts up over rows that follow each other: "
        f"if they belong together, --group {quote(column.name)}"
        for column in filter(suspicion.counts_groups, [] if group else unsure)
    ]
    doubts += [
        f"{column.name} holds numbers, but also {column.odd!r}: taken for text; correct the file if that means missing"
        for column in unsure
        if column.odd is not None and _mostly_numbers(column)
    ]
    doubts += [
        f"{profile.columns[name].missing:,} rows without {name} are left out"
        for name in filter(None, (target, time))
        if profile.columns[name].missing
    ]
    classes = target_of.classes(goal.counts or ()) if task == "classification" else ()
    return Inference(profile.rows, task, target, time or "", group, classes, findings, tuple(doubts))


def _apart(belongs: list[Column], time: str | None, group: str) -> list[str]:
    """What to know about rows that belong together."""
    if not belongs:
        return []
    if group:
        doubt = (
            f"rows of one {group} are tested together, or trained on together, since they are likely alike; "
            f"`--group ''` takes each row by itself, `--column {quote(group)}=category` makes it an input"
        )
    else:
        doubt = (
            f"{time} divides the rows, so rows of one {belongs[-1].name} are both trained on and tested; "
            f"`--time '' --group {quote(belongs[-1].name)}` keeps them together instead"
        )
    return [doubt]


def _mostly_numbers(column: Column) -> bool:
    """Whether a column of text is mostly numbers, of whatever form."""
    present = column.sampled
    return sum(map(is_like_number, present)) > 0.5 * len(present)


def _check_time(column: Column, goal: Column, task: specs.Task) -> None:
    if "date" not in column.kinds or not column.present:
        example = next((value for value in column.sample if value is not None), None)
        raise SpecError(
            f"data.time: {column.name} holds {example!r}; times are ISO 8601, such as 2024-05-31 or 2024-05-31 14:00",
            hint="Write the column in that form, or name another with --time.",
        )
    if not suspicion.can_split(column, goal if task == "classification" else None):
        raise SpecError(
            f"data.time: the latest rows by {column.name} can't be held back to test with: either they or those "
            f"before them have fewer than two different values of {goal.name}",
            hint="Name another column, or hold back random rows with --time ''",
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
        values = column.sampled
        example = column.odd if kind in {"number", "integer"} and column.odd else (values or ["nothing"])[0]
        form = suspicion.foreign_form(column) if kind in {"number", "integer", "date"} else ""
        raise SpecError(
            f"data.features.{column.name}: not every value is of the kind {kind}, for example {example!r}",
            hint=f"It {form}."
            if form
            else f"It can be: {', '.join(k for k in KINDS if k in column.kinds or k == 'category')}, {DROP}.",
        )
    return given if given.endswith("?") else _nullable(column, kind)


def _nullable(column: Column, kind: str) -> str:
    return f"{kind}?" if column.missing else kind


def _target_reason(goal: Column, task: specs.Task) -> str:
    if task == "regression":
        return "numbers: regression"
    return f"{len(goal.counts or ())} classes: classification"


def _finding(
    column: Column,
    goal: Column,
    given: tuple[Role, str] | None,
    said: str | None,
    task: specs.Task,
    powers: dict[str, float],
) -> Finding:
    """What becomes of a column; of one that may be an input, what it alone tells of the target goes into `powers`."""
    role: Role
    kind: str
    if given:
        role, reason = given
        kind = {"target": task, "time": "date"}.get(role, "category")
    elif said:
        role, kind, reason = ("left out" if said == DROP else "feature"), _given(column, said), "as you said"
    else:
        kind = _kind(column)
        reason = suspicion.reason_to_leave_out(column)
        if not reason:
            reason = leaks.is_leak(column, goal, kind, task, powers)
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
