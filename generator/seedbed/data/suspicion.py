"""Which columns are no inputs by the looks of them, and which one is the time: judgements, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import pairwise
from statistics import fmean

from seedbed import spec_rules
from seedbed.data import numbers
from seedbed.data.profile import Column, Profile

_ENOUGH = 20  # values, below which being all different means nothing
_UNIQUE = 0.95  # share of different values from which they tell rows apart
_OWN = 0.5  # share of different values from which text has too few rows for each
_EMPTY = 0.95  # share of missing values from which nothing can be learned
_WORDS = 4.0  # words in a value, on average, from which it is a text
_LONG = 60.0  # characters likewise
_ID_NAME = re.compile(r"(^|[_\W])(id|ids|uuid|guid|key|index|idx|rownum|serial|nr|no)$|^unnamed: \d+$", re.IGNORECASE)
_CAMEL_ID = re.compile(r"[a-z](Id|ID)$")
_TIME_NAME = re.compile(
    r"time|date|stamp|day|month|week|created|updated|scheduled|occurred|recorded|\bts\b|_at$", re.IGNORECASE
)
_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_FOREIGN_DATE = re.compile(
    r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}\b|\d{1,2}[ -][a-z]{3,9}[ -]\d{2,4}\b|\d{8}T\d{4,6}"
    rf"|(?:[a-z]{{3,9}},? )?{_MONTH}\.? \d{{1,2}}(?:,? \d{{1,2}}:\d{{2}}(?::\d{{2}})?)?,? \d{{4}}\b",
    re.IGNORECASE,
)
_COMPACT_DATE = re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_EPOCH = re.compile(r"[1-3]\d{9}(\d{3})?")  # seconds, or milliseconds, from 2001 on
# Of the names above, those that say what a row is about and not only which row it is.
_ENTITY_NAME = re.compile(r"(^|[_\W])(id|ids|uuid|guid)$", re.IGNORECASE)
_CODE_NAME = re.compile(
    r"(^|[_\W])(id|ids|uuid|guid|key|nr|no|num|number|code|zip|zip_?code|post_?code|postal_?code|plz|sku|ean|isbn)$",
    re.IGNORECASE,
)
_FEWEST_GROUPS = 20  # with fewer, one side of a split may get none
_LARGEST_GROUP = 20  # rows on average of what counts up; with more, a file is rather sorted by an amount
_HELD_BACK = 0.2  # what the generated project holds back by default
_FEWEST_TIMES = 10


def reason_to_leave_out(column: Column) -> str:
    """Why a column is no input; empty when it may be one."""
    if flaws := spec_rules.text_flaws(column.name, spec_rules.COLUMN_NAME_LIMIT):
        return f"its name {' and '.join(flaws)}"
    if column.name.startswith("Unnamed: "):
        return "has no name"
    if reason := _is_constant(column):
        return reason
    return "says what rows belong to, and is in several" if is_group(column) else _tells_rows_apart(column)


def is_group(column: Column) -> bool:
    """Whether a column says what rows belong to, by its name, and several rows belong to the same."""
    named = _ENTITY_NAME.search(column.name) or _CAMEL_ID.search(column.name)
    return bool(named) and _FEWEST_GROUPS <= different(column) < sum(value is not None for value in column.sample)


def counts_groups(column: Column) -> bool:
    """Whether whole numbers count up from 0 or 1 over rows that follow each other, several of which have the same."""
    if "integer" not in column.kinds or _TIME_NAME.search(column.name):
        return False
    values = [int(value) for value in column.sampled]
    if len(values) < column.rows or not values or values[0] not in {0, 1}:
        return False
    steps = {other - one for one, other in pairwise(values)}
    return (
        steps == {0, 1} and max(_FEWEST_GROUPS, len(values) // _LARGEST_GROUP) <= different(column) <= len(values) // 2
    )


def is_code(column: Column) -> bool:
    """Whether whole numbers are codes by the column's name: 10115 is no more than 10114."""
    return "integer" in column.kinds and bool(_CODE_NAME.search(column.name) or _CAMEL_ID.search(column.name))


def different(column: Column) -> int:
    """How many different values the sample shows."""
    return len(set(column.sample) - {None})


def _is_constant(column: Column) -> str:
    if not column.present:
        return "is empty, or of a type that no model takes"
    if column.counts is not None and len(column.counts) == 1 and not column.missing:
        return f"is always {_short(next(iter(column.counts)))}"
    if column.missing >= _EMPTY * column.rows:
        return f"is empty in {column.missing / column.rows:.1%} of the rows"
    return ""


def _tells_rows_apart(column: Column) -> str:
    if column.kinds & {"number", "boolean"}:
        return number_as_date(column) or is_counter(column)
    if "date" in column.kinds:
        return ""
    return foreign_form(column) or is_text(column) or is_identifier(column)


def is_counter(column: Column) -> str:
    """Why a column of whole numbers is an identifier; empty when it may be an amount."""
    if "integer" not in column.kinds or _different(column) < 1:
        return ""
    values = [int(value) for value in column.sampled]
    if len(values) < _ENOUGH:
        return ""
    if _ID_NAME.search(column.name) or _CAMEL_ID.search(column.name):
        return "numbers the rows: all different"
    if all(one < other for one, other in pairwise(values)):
        return "counts the rows up"
    return ""


def is_identifier(column: Column) -> str:
    """Why a column of text tells rows apart instead of kinds of rows; empty when it doesn't."""
    different = _different(column)
    if different >= _UNIQUE:
        return "names each row: nearly all values are different"
    if different >= _OWN:
        return f"has its own value in {different:.0%} of the rows: too few of each to learn from"
    return ""


def is_text(column: Column) -> str:
    """Why a column is free text; empty when it isn't."""
    values = column.sampled
    if _different(column) < _OWN:
        return ""
    words, length = fmean(len(value.split()) for value in values), fmean(map(len, values))
    return f"is free text: {words:.0f} words on average" if words >= _WORDS or length >= _LONG else ""


def time_column(profile: Profile, taken: Collection[str], classes: Column | None) -> str:
    """The column that orders the rows; empty when none does.

    Args:
        profile: all columns.
        taken: columns that are something else.
        classes: the target of a classification: both sides of a split by time need two of them.
    """
    best: tuple[int, str] = (0, "")
    for column in profile.columns.values():
        if column.name in taken or "date" not in column.kinds or column.missing or not column.rows:
            continue
        if spec_rules.text_flaws(column.name, spec_rules.COLUMN_NAME_LIMIT):
            continue
        times = [value or "" for value in column.sample]
        in_order = sum(one <= other for one, other in pairwise(times)) >= 0.95 * (len(times) - 1)
        named = bool(_TIME_NAME.search(column.name)) and "birth" not in column.name.lower()
        score = 2 * in_order + named
        if score > best[0] and len(set(times)) >= _FEWEST_TIMES and can_split(column, classes):
            best = (score, column.name)
    return best[1]


def can_split(column: Column, classes: Column | None) -> bool:
    """Whether the latest rows by a column of times can be held back: with rows, and classes, on both sides."""
    times = {row: time for row, time in enumerate(column.sample) if time is not None}
    if not times:
        return False
    order = sorted(times, key=times.__getitem__)
    cut = times[order[int(len(order) * (1 - _HELD_BACK))]]
    sides = [row for row in order if times[row] < cut], [row for row in order if times[row] >= cut]
    if not all(sides):
        return False
    return classes is None or all(len({classes.sample[row] for row in side} - {None}) > 1 for side in sides)


def _different(column: Column) -> float:
    values = column.sampled
    return len(set(values)) / len(values) if len(values) >= _ENOUGH else 0.0


def foreign_form(column: Column) -> str:
    """Which form the numbers or dates of a column have that the project doesn't read, and what to do."""
    values = column.sampled
    if values and all(_FOREIGN_DATE.match(value) for value in values):
        return f"holds dates that are not ISO 8601 ({_short(values[0])}): write them as 2024-05-31"
    return number_as_date(column) or numbers.foreign_form(values)


def number_as_date(column: Column) -> str:
    """Which form of dates whole numbers have by the looks, and what to do; empty when they are none."""
    values = column.sampled
    if "integer" not in column.kinds or len(values) < _ENOUGH:
        return ""
    if all(_COMPACT_DATE.fullmatch(value) for value in values):
        return f"holds dates that are not ISO 8601 ({values[0]}): write them as 2024-05-31"
    times = [_EPOCH.fullmatch(value) for value in values] if _TIME_NAME.search(column.name) else []
    if times and all(times):
        unit = "milliseconds" if times[0] and times[0][1] else "seconds"
        return f"holds {unit} since 1970 ({values[0]}): write them as 2024-05-31 14:00:00"
    return ""


def _short(text: str) -> str:
    return repr(text if len(text) <= 30 else f"{text[:29]}…")  # noqa: PLR2004
