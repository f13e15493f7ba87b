"""The conversation about a person's own data: what was found in it, and what they say to that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seedbed.cli import output

if TYPE_CHECKING:
    from seedbed.data.inference import Finding, Inference
    from seedbed.data.profile import Profile
    from seedbed.data.table import Table
    from seedbed.spec import Task
    from seedbed.spec_sources import Answers

_SHOWN = 100  # columns in the table that a person reads
_WIDTHS = {"column": 28, "example": 22}
_LARGE = 50_000_000  # bytes from which reading takes long enough to say so


@dataclass(frozen=True)
class Said:
    """The person's word, which stands above what is found; None where they said nothing."""

    time: str | None
    group: str | None
    task: Task | None
    kinds: Mapping[str, str]


@dataclass(frozen=True)
class Understood:
    """A file, and what was found in it."""

    table: Table
    inference: Inference


@contextmanager
def understand(given: Answers, columns: Mapping[str, str], *, ask: bool) -> Iterator[Understood]:
    """Read the data that the answers name, and settle what its columns are for.

    Args:
        given: with `data.source`; its target, time, features and task stand above what is found.
        columns: the person's word on single columns: a kind, or "drop".
        ask: whether a person is there to be asked.

    Raises:
        SpecError: the file is unfit, or an answer doesn't fit it.
        UsageError: no target is given, and nobody can be asked.
    """
    from seedbed.data.inference import as_task, infer
    from seedbed.data.profile import profile
    from seedbed.data.source import local_file
    from seedbed.data.table import open_table

    data = given.values["data"]
    kinds = {**_flat(data.get("features", {})), **columns}
    with local_file(data["source"], given.base) as path:
        _require_marks(data)
        table = open_table(path, data.get("encoding", "utf-8"), data.get("decimal", "."), data.get("thousands", ""))
        if path.stat().st_size > _LARGE:
            output.line(f"Reading {path.name}: {path.stat().st_size / 1e6:,.0f} MB ...", err=True)
        found = profile(table)
        target = data.get("target") or _target(found, path, ask=ask)
        said = Said(data.get("time"), data.get("group"), as_task(given.values.get("project", {}).get("task")), kinds)

        def again(said: Said) -> Inference:
            return infer(found, target, time=said.time, group=said.group, kinds=said.kinds, task=said.task)

        inference = again(said)
        if ask:
            inference = _correct(inference, said, again)
        yield Understood(table, inference)


def settled(given: Answers, inference: Inference) -> Answers:
    """The answers with what was found filled in."""
    from dataclasses import replace

    found = inference.answers()
    values = given.values
    merged = {
        **values,
        "project": {**values.get("project", {}), **found["project"]},
        "data": {**values["data"], **found["data"]},
    }
    return replace(given, values=merged)


def project_name(source: str) -> str:
    """A display name for a project about this file; a second word where the first would hide a module."""
    from pathlib import PurePath

    from seedbed import spec as specs
    from seedbed.errors import SpecError

    words = " ".join(PurePath(source).stem.replace("_", " ").replace("-", " ").split()).title()
    for name in (words, f"{words} Model"):
        try:
            specs.parse(
                {"project": {"name": name}, "data": {"source": "-", "target": "y", "features": {"x": "number"}}}
            )
        except SpecError:
            continue
        return name
    return "My Model"


def show(inference: Inference, *, err: bool = False) -> None:
    """What became of each column, and what is doubtful."""
    rank = {"target": 0, "time": 1, "group": 1, "feature": 2, "left out": 3}
    findings = sorted(inference.columns, key=lambda finding: rank[finding.role])
    counts = [sum(finding.role == role for finding in findings) for role in ("feature", "left out")]
    output.line(
        f"{inference.rows:,} rows; {inference.task} of {printable(inference.target)} "
        f"from {counts[0]} column{'s' * (counts[0] != 1)}, {counts[1]} left out:",
        bold=True,
        err=err,
    )
    header = ("column", "role", "kind", "missing", "distinct", "example", "why")
    lines = [header, *(_line(finding) for finding in findings[:_SHOWN])]
    widths = [max(len(line[number]) for line in lines) for number in range(len(header))]
    for line in lines:
        output.line(
            "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip(), err=err
        )
    if len(findings) > _SHOWN:
        output.line(f"  and {len(findings) - _SHOWN} more; --dry-run --json lists all", err=err)
    for doubt in inference.doubts:
        output.line(f"  ! {printable(doubt)}", fg="yellow", err=err)


def printable(text: str) -> str:
    """Text from a file, without what a terminal would act on."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _line(finding: Finding) -> tuple[str, ...]:
    from seedbed.data.profile import COUNTED

    return (
        _cut(finding.name, _WIDTHS["column"]),
        finding.role,
        finding.kind if finding.role == "feature" else finding.kind.rstrip("?"),
        f"{finding.missing:.1%}" if finding.missing else "",
        f">{COUNTED}" if finding.distinct is None else str(finding.distinct),
        _cut(finding.example, _WIDTHS["example"]),
        printable(finding.reason),
    )


def _cut(text: str, width: int) -> str:
    text = printable(text)
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _flat(features: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Features by name; a dot in `--set data.features.a.b=number` belongs to the column's name."""
    flat: dict[str, str] = {}
    for name, value in features.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": str(value)}
    return flat


def _target(found: Profile, path: Path, *, ask: bool) -> str:
    from seedbed.errors import UsageError

    names = list(found.columns)
    if not ask:
        shown = ", ".join(map(printable, names[:40]))
        raise UsageError(
            f"Which column of {path.name} shall the model predict? It has: {shown}{', …' if len(names) > 40 else ''}",  # noqa: PLR2004
            hint=f"For example --target {printable(names[-1])!r}",
            details={"columns": names},
        )
    output.line(f"{path.name}: {found.rows:,} rows, {len(names)} columns", bold=True)
    for column in list(found.columns.values())[:_SHOWN]:
        example = next((value for value in column.sample if value is not None), "")
        output.line(f"  {_cut(column.name, _WIDTHS['column']).ljust(_WIDTHS['column'])}  {_cut(example, 40)}")

    def check(value: str) -> str:
        if value not in found.columns:
            import difflib

            close = difflib.get_close_matches(value, names, n=1)
            raise click.BadParameter(f"there is no column {value!r}" + (f"; {close[0]!r}?" if close else ""))
        return value

    answer: str = click.prompt("Which column shall the model predict?", default=names[-1], value_proc=check)
    return answer


def _require_marks(data: Mapping[str, Any]) -> None:
    from typing import get_args

    from seedbed import spec as specs
    from seedbed.errors import SpecError

    for key, allowed in (("decimal", get_args(specs.Decimal)), ("thousands", get_args(specs.Thousands))):
        if key in data and data[key] not in allowed:
            raise SpecError(
                f"data.{key}: {data[key]!r} is not one of {', '.join(map(repr, allowed))}",
                hint="Write numbers of another form plainly into the file.",
            )


def _correct(inference: Inference, said: Said, again: Callable[[Said], Inference]) -> Inference:
    """Show what was found until the person has nothing to correct."""
    from seedbed.data.inference import DROP, KINDS
    from seedbed.errors import SpecError

    output.line(f"Correct it with COLUMN=KIND ({', '.join(KINDS)}, {DROP}), or with one of these:")
    output.line("  time COLUMN, group COLUMN (alone: none), task classification, task regression")
    while True:
        show(inference)
        answer = click.prompt("Change something? Enter goes on", default="", show_default=False)
        if not answer.strip():
            return inference
        try:
            changed = _understood(answer, said, [finding.name for finding in inference.columns])
            inference, said = again(changed), changed
        except SpecError as error:
            output.line(f"{error.message}\n{error.hint}", fg="red")


def _understood(answer: str, said: Said, columns: list[str]) -> Said:
    """What the person says after a line of theirs.

    Raises:
        SpecError: the line is of no known form.
    """
    from dataclasses import replace
    from typing import get_args

    from seedbed import spec as specs
    from seedbed.data.inference import DROP, KINDS, as_task
    from seedbed.errors import SpecError

    name, equals, kind = (part.strip() for part in answer.rpartition("="))
    if equals and name in columns:
        if kind.removesuffix("?") not in {*KINDS, DROP}:
            raise SpecError(f"{kind!r} is no kind", hint=f"There are: {', '.join(KINDS)}, {DROP}.")
        return replace(said, kinds={**said.kinds, name: kind})
    word, _, rest = answer.strip().partition(" ")
    rest = rest.strip()
    if word in {"time", "group"} and (not rest or rest in columns):
        # Rows are divided by the one or by the other.
        if word == "time":
            return replace(said, time=rest, group="" if rest else said.group)
        return replace(said, group=rest, time="" if rest else said.time)
    if word == "task" and as_task(rest):
        return replace(said, task=as_task(rest))
    if word == "task":
        raise SpecError(f"{rest!r} is no task", hint=f"There are: {', '.join(get_args(specs.Task))}.")
    if equals or word in {"time", "group"}:
        import difflib

        wanted = name if equals else rest
        close = difflib.get_close_matches(wanted, columns, n=1)
        raise SpecError(f"There is no column {wanted!r}", hint=f"{close[0]!r}?" if close else "")
    raise SpecError(f"{answer!r} is not understood", hint="For example zip=category, time seen, group patient_id.")
