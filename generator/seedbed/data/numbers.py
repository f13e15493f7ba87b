"""Numbers as people write them: with a decimal comma, or with marks between the thousands."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_BLANKS = "[ \u00a0\u2009\u202f]"  # what may stand for a blank between thousands
_MARKS = {",": "commas", ".": "points", " ": "blanks", "'": "apostrophes"}
_LIKE_NUMBER = re.compile(rf"[+-]?(\d|[.,']|{_BLANKS})*\d([eE][+-]?\d+)?")
_SIGNED = re.compile(r"\(?[+-]?(?:[$€£¥]\s?[+-]?)?[\d.,' ]*\d\s?[$€£¥%]?\)?")


@dataclass(frozen=True)
class NumberForm:
    """The marks in a file's numbers.

    Attributes:
        decimal: before the decimals.
        thousands: between the thousands; "" for nothing, and a blank for any blank.
    """

    decimal: str = "."
    thousands: str = ""

    @functools.cached_property
    def between(self) -> str:
        """The pattern of what is between thousands."""
        return _BLANKS if self.thousands == " " else re.escape(self.thousands)

    @functools.cached_property
    def pattern(self) -> str:
        """The pattern of a number: group 1 holds a mark between thousands, group 2 the decimals."""
        whole = rf"(?:[1-9]\d{{0,2}}(?:({self.between})\d{{3}})+|\d+)" if self.thousands else r"(x{0})\d+"
        return rf"^[+-]?{whole}({re.escape(self.decimal)}\d+)?(?:[eE][+-]?\d+)?$"

    def plain(self, values: pa.Array) -> pa.Array:
        """Text in which the numbers of this form are written with a decimal point; all other text as it is."""
        import pyarrow.compute as pc

        if self == NumberForm():
            return values
        text = pc.replace_substring_regex(values, self.between, "") if self.thousands else values
        return pc.if_else(
            pc.match_substring_regex(values, self.pattern), pc.replace_substring(text, self.decimal, "."), values
        )

    def flags(self) -> str:
        """What says on the command line that numbers are of this form."""
        quoted = {" ": "' '", "'": '"\'"'}.get(self.thousands, self.thousands)
        flags = [f"--thousands {quoted}"] if self.thousands else []
        return " ".join([*flags, "--decimal ,"] if self.decimal == "," else flags)


def is_like_number(text: str) -> bool:
    """Whether a text is a number in some form."""
    return bool(_LIKE_NUMBER.fullmatch(text))


def foreign_form(values: Sequence[str]) -> str:
    """In which form values that all are numbers are written, and what to do; empty if plainly, or not all are."""
    if not values:
        return ""
    found = set()
    for thousands in ("", *_MARKS):
        for decimal in ".,":
            matches = [re.match(NumberForm(decimal, thousands).pattern, value) for value in values]
            if thousands != decimal and all(matches):
                # A mark that doesn't occur is no part of the form.
                marked, broken = (any(match and match[group] for match in matches) for group in (1, 2))
                found.add(NumberForm(decimal if broken else ".", thousands if marked else ""))
    if NumberForm() in found:
        return ""
    example = max(values, key=lambda value: sum(not character.isdigit() for character in value))
    if len(found) == 1:
        form = found.pop()
        marks = [f"{_MARKS[form.thousands]} between the thousands"] if form.thousands else []
        marks += ["a decimal comma"] if form.decimal == "," else []
        return f"holds numbers with {' and '.join(marks)} ({example!r}): read them with {form.flags()}"
    if found:
        ways = " or ".join(sorted(form.flags() for form in found))
        return f"holds numbers with a mark ({example!r}) that may be a decimal comma or between thousands: say {ways}"
    if all(map(_SIGNED.fullmatch, values)):
        return f"holds numbers with a sign of a currency or of percent ({example!r}): write them as plain numbers"
    return ""
