{%- set dates = cookiecutter.features | selectattr("kind", "equalto", "date") | list -%}
"""What the service accepts and answers, derived from the schema's columns."""

from __future__ import annotations
{% if dates %}
from datetime import datetime
{%- endif %}
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
from pydantic import (
{%- if dates %}
    AfterValidator,
{%- endif %}
    BaseModel,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    with_config,
)
from pydantic_core import from_json
from typing_extensions import TypedDict

from {{ cookiecutter.package }}.schema import COLUMNS, FEATURES, NUMERIC

from .refusals import Refusal, misfit

MAX_UNKNOWN_COLUMNS = 50
WIDEST = len(FEATURES) + MAX_UNKNOWN_COLUMNS
"""Columns of a record, beyond which it isn't checked: every unknown one would make an error of its own."""

SPARE_ELEMENTS = 20_000
"""Elements of a body beyond those that its records need: cheap to parse, and their refusal can be precise."""

LARGEST_INTEGER = 2**53
"""Beyond it, a float64, which is what models compute with, no longer tells neighbouring integers apart."""


def _whole(value: object) -> object:
    # 3.0 is how many JSON writers send the integer 3, above all out of a table with gaps.
    return int(value) if isinstance(value, float) and value.is_integer() else value

{% if dates %}
def _moment(value: str) -> str:
    try:
        year = datetime.fromisoformat(value).year
    except ValueError:
        year = 0
    # Nanoseconds since 1970, which is how pandas counts, reach no further.
    if not 1678 <= year <= 2261:  # noqa: PLR2004
        raise ValueError("must be a date or a time in ISO 8601, such as 2026-01-31 or 2026-01-31T12:30:00Z")
    return value

{% endif %}
_KINDS: dict[str, Any] = {
    "number": Annotated[float, Field(strict=True, allow_inf_nan=False)],
    "integer": Annotated[
        int, Field(strict=True, ge=-LARGEST_INTEGER, le=LARGEST_INTEGER), BeforeValidator(_whole)
    ],
    "boolean": Annotated[bool, Field(strict=True)],
    "category": Annotated[str, Field(strict=True, max_length=1000)],
{%- if dates %}
    "date": Annotated[
        str,
        Field(strict=True, max_length=40, json_schema_extra={"format": "date-time"}),
        AfterValidator(_moment),
    ],
{%- endif %}
}

if TYPE_CHECKING:
    Record = dict[str, float | str | None]
else:
    # A TypedDict, since columns may have names that no attribute can have.
    Record = with_config({"extra": "forbid", "title": "Record"})(
        TypedDict(
            "Record",
            {
                column.name: _KINDS[column.kind] | None if column.nullable else _KINDS[column.kind]
                for column in COLUMNS
            },
        )
    )


class Batch(BaseModel, extra="forbid"):
    """Several records, answered in their order."""

    # After the first bad record the rest is not looked at: an answer stays small and quick.
    records: Annotated[list[Record], Field(min_length=1, fail_fast=True)]


def _form(value: Any) -> str:
    """Tell a batch from a record, which may have a column named "records" too."""
    if isinstance(value, Batch) or (isinstance(value, dict) and isinstance(value.get("records"), list)):
        return "batch"
    return "record"


Payload = Annotated[
    Annotated[Record, Tag("record")] | Annotated[Batch, Tag("batch")],
    Discriminator(_form),
]


class Prediction(BaseModel):
    """One answer."""

    id: str = Field(description="The prediction's name in the log; /feedback takes its true label under it")
{%- if cookiecutter.task == "classification" %}
    prediction: bool | int | str = Field(description="The predicted class")
    probability: float = Field(
        description="Of the positive class if there are two (the larger label), else of the predicted one"
    )
{%- else %}
    prediction: float = Field(description="The predicted value")
{%- endif %}


class Answer(BaseModel):
    """The predictions for a request's records, in their order."""

    model_version: str
    predictions: list[Prediction]


def require_json(content_type: str) -> None:
    """Refuse a body that isn't called JSON.

    Raises:
        Refusal: 415.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "send JSON, with the header Content-Type: application/json")


def payload_of(form: TypeAdapter[Any], body: bytes, max_rows: int) -> Any:
    """Return a body as what a route takes; what could cost much time is refused before it does.

    Args:
        form: of what the route takes: one thing, or several in a batch.
        body: bounded in size by the caller.
        max_rows: how many records the service takes at once.

    Raises:
        Refusal: 400, it isn't JSON in UTF-8, or is too deep; 413, it has far more elements than any request
            needs; 422, it doesn't fit, or a record is far too wide.
    """
    value = _parse_json(body, max_rows)
    try:
        return form.validate_python(value)
    except ValidationError as error:
        raise misfit(error.errors(include_context=False, include_url=False)) from None


def _parse_json(body: bytes, max_rows: int) -> Any:
    allowed = max_rows * (len(FEATURES) + 2) + SPARE_ELEMENTS
    if (found := _elements(body, allowed)) > allowed:
        raise Refusal(413, f"the body has {found} elements: send at most {max_rows} records of plain values")
    try:
        value = from_json(body)
    except ValueError as error:
        raise Refusal(400, f"the body is not JSON: {error}") from None
    if (width := _widest(value)) > WIDEST:
        raise Refusal(422, f"a record has {width} columns, and the model takes {len(FEATURES)}")
    return value


def _elements(body: bytes, enough: int) -> int:
    """Count what opens and separates elements; not in texts, but they are looked for only if it matters."""
    found = _signs(body)
    if found <= enough:
        return found
    unescaped = body.replace(rb"\\", b"").replace(rb"\"", b"")
    return _signs(b"".join(unescaped.split(b'"')[::2]))


def _signs(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{") + text.count(b",")


def _widest(value: Any) -> int:
    """Return the most columns that any record of an unchecked body has."""
    records = value["records"] if _form(value) == "batch" else [value]
    return max((len(record) for record in records if isinstance(record, dict)), default=0)


def records_of(payload: Record | Batch) -> list[Record]:
    """Return the records of either form of request."""
    return payload.records if isinstance(payload, Batch) else [payload]


def frame_of(records: list[Record]) -> pd.DataFrame:
    """Return records as the model's inputs: numbers as float64 with NaN for missing, the rest as objects."""
    columns: dict[str, Any] = {}
    for name in FEATURES:
        if name in NUMERIC:
            columns[name] = np.array([record[name] for record in records], dtype=np.float64)
        else:
            values = np.empty(len(records), dtype=object)
            values[:] = [np.nan if record[name] is None else record[name] for record in records]
            columns[name] = values
    return pd.DataFrame(columns, copy=False)
