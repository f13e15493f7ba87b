"""Columns that tell the target by themselves: nobody will know them when a prediction is asked for.

Half of the sampled rows teach the simplest model there is, a table from the column's value, or the nearest one, to the
answer; the other half says how good it is. Real inputs err somewhere: a column that hardly ever does was made from the
target, or after it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from shlex import quote
from statistics import fmean

from seedbed.data.profile import Column
from seedbed.spec import Task

SUSPICIOUS = 0.98  # share of the error of guessing that the column alone removes
_STRONG, _TIMES = 0.4, 3  # such a share is doubtful where it is so many times what other columns remove
_ENOUGH = 100  # rows
_FEW_COLUMNS = 4
_BY_CHANCE = -6  # decimal logarithm of the probability that a class shows one value by chance
_FEWEST = 20  # rows below which nothing is proven
_RAREST = 5  # rows of other than the commonest class that the judging half needs

Values = Sequence[str | None]
Row = tuple[Hashable, str]


def power(column: Values, target: Values, *, numeric: bool, task: Task) -> float:
    """How much of the error of guessing a column alone removes: 0 nothing, 1 all; below 0 it misleads.

    Args:
        column: its values in some rows.
        target: the target's values in the same rows.
        numeric: whether near values of the column are alike.
        task: for classification, the error is the share of wrong answers; for regression, the squared error.
    """
    pairs = [(value, answer) for value, answer in zip(column, target, strict=True) if answer is not None]
    if len(pairs) < _FEWEST:
        return 0.0
    # Every other row: a file may be sorted by anything, the target among it.
    learn: list[Row] = [(_key(value, numeric=numeric), answer) for value, answer in pairs[::2]]
    judge: list[Row] = [(_key(value, numeric=numeric), answer) for value, answer in pairs[1::2]]
    if numeric:
        known = sorted(key for key, _ in learn if isinstance(key, float))
        judge = [(_nearest(known, key), answer) for key, answer in judge]
    return _classes(learn, judge) if task == "classification" else _numbers(learn, judge)


def is_leak(column: Column, goal: Column, kind: str, task: Task, powers: dict[str, float]) -> str:
    """Why a column gives the target away; empty when it doesn't. What it alone tells goes into `powers`."""
    if is_copy(column.sample, goal.sample):
        return f"says the same as {goal.name}"
    numeric = kind.rstrip("?") in {"number", "integer"}
    powers[column.name] = power(column.sample, goal.sample, numeric=numeric, task=task)
    if powers[column.name] >= SUSPICIOUS:
        return f"tells {goal.name} nearly by itself ({powers[column.name]:.0%}): known only after the fact?"
    return ""


def doubtful(columns: Sequence[Column], goal: Column, powers: Mapping[str, float], task: Task) -> list[str]:
    """Inputs that may be known only afterwards, since they know so much more than the others; a sentence each.

    Args:
        columns: those that are taken as inputs.
        goal: the target.
        powers: what each alone tells, as far as it was measured.
        task: the project's.
    """
    if goal.present < _ENOUGH:
        return []
    ranked = sorted(powers.values(), reverse=True)
    # More than one column may be of the kind that is sought, so it isn't the second that says what is usual.
    usual = ranked[max(2, len(ranked) // 4)] if len(ranked) >= _FEW_COLUMNS else 1.0
    found = []
    for column in columns:
        told = powers.get(column.name, 0.0)
        if told >= max(_STRONG, _TIMES * usual):
            why = f"knows far more about {goal.name} than others: alone it removes {told:.0%} of the error of guessing"
        elif task == "classification" and (label := _settled_by(column, goal)):
            why = f"has one and the same value, or none, wherever {goal.name} is {label}, and others elsewhere"
        else:
            continue
        found.append(
            f"{column.name} {why}; if it and others are known only afterwards: --column {quote(column.name)}=drop"
        )
    return found


def _settled_by(column: Column, goal: Column) -> str:
    """The class that decides what a column holds, as "lost" does for a date of delivery; empty when none does."""
    rows = [(value, label) for value, label in zip(column.sample, goal.sample, strict=True) if label is not None]
    of_class: dict[str, Counter[str | None]] = defaultdict(Counter)
    for value, label in rows:
        of_class[label][value] += 1
    everywhere = Counter(value for value, _ in rows)
    for label, values in of_class.items():
        (value, count), *more = values.most_common(2)
        others = len(rows) - count
        # Of a category with few values a class may well show one only.
        if more or not others or not (value is None or column.kinds & {"number", "date"}):
            continue
        share = (everywhere[value] - count) / others
        if share < 1 and count * math.log10(max(share, 1 / others)) < _BY_CHANCE:
            return label
    return ""


def is_copy(column: Values, target: Values) -> bool:
    """Whether a column says what the target says, in the same or in other words, wherever both are known."""
    there: dict[str, set[str]] = defaultdict(set)
    back: dict[str, set[str]] = defaultdict(set)
    rows = 0
    for value, answer in zip(column, target, strict=True):
        if value is not None and answer is not None:
            there[value].add(answer)
            back[answer].add(value)
            rows += 1
    single = all(len(values) == 1 for values in (*there.values(), *back.values()))
    # Where nearly every row is different, as in an identifier, different words are no evidence.
    same = all(value in answers for value, answers in there.items())
    return rows > 0 and single and (same or 2 * len(there) < rows)


def _key(value: str | None, *, numeric: bool) -> Hashable:
    return value if value is None or not numeric else float(value)


def _nearest(known: list[float], key: Hashable) -> Hashable:
    if not known or not isinstance(key, float):
        return key
    place = bisect_left(known, key)
    return min(known[max(0, place - 1) : place + 1], key=lambda other: abs(other - key))


def _classes(learn: list[Row], judge: list[Row]) -> float:
    commonest = Counter(answer for _, answer in learn).most_common(1)[0][0]
    seen: dict[Hashable, Counter[str]] = defaultdict(Counter)
    for key, answer in learn:
        seen[key][answer] += 1
    best = {key: counts.most_common(1)[0][0] for key, counts in seen.items()}
    guessed = sum(answer != commonest for _, answer in judge)
    wrong = sum(answer != best.get(key, commonest) for key, answer in judge)
    return 1 - wrong / guessed if guessed >= _RAREST else 0.0


def _numbers(learn: list[Row], judge: list[Row]) -> float:
    seen: dict[Hashable, list[float]] = defaultdict(list)
    for key, answer in learn:
        seen[key].append(float(answer))
    mean = fmean(float(answer) for _, answer in learn)
    best = {key: fmean(answers) for key, answers in seen.items()}
    total = sum((float(answer) - mean) ** 2 for _, answer in judge)
    error = sum((float(answer) - best.get(key, mean)) ** 2 for key, answer in judge)
    return 1 - error / total if total > 0 else 0.0
