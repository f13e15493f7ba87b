"""What the service accepts and answers, derived from the schema's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, BeforeValidator, Discriminator, Field, Tag, with_config
from typing_extensions import TypedDict

from {{ cookiecutter.package }}.schema import CATEGORICAL, COLUMNS, FEATURES, NUMERIC

MAX_UNKNOWN_COLUMNS = 50
WIDEST = len(FEATURES) + MAX_UNKNOWN_COLUMNS
"""Columns of a record, beyond which it isn't checked: every unknown one would make an error of its own."""

LARGEST_INTEGER = 2**53
"""Beyond it, a float64, which is what models compute with, no longer tells neighbouring integers apart."""


def _whole(value: object) -> object:
    # 3.0 is how many JSON writers send the integer 3, above all out of a table with gaps.
    return int(value) if isinstance(value, float) and value.is_integer() else value


_KINDS: dict[str, Any] = {
    "number": Annotated[float, Field(strict=True, allow_inf_nan=False)],
    "integer": Annotated[
        int, Field(strict=True, ge=-LARGEST_INTEGER, le=LARGEST_INTEGER), BeforeValidator(_whole)
    ],
    "boolean": Annotated[bool, Field(strict=True)],
    "category": Annotated[str, Field(strict=True, max_length=1000)],
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

    id: str = Field(description="The prediction's name in the log: join outcomes to it later")
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


class FieldProblem(BaseModel):
    """What is wrong with one value."""

    where: str = Field(description="The column, after the record's number in a batch")
    message: str


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str
    errors: list[FieldProblem] = []


def widest(value: Any) -> int:
    """Return the most columns that any record of an unchecked body has."""
    records = value["records"] if _form(value) == "batch" else [value]
    return max((len(record) for record in records if isinstance(record, dict)), default=0)


def records_of(payload: Record | Batch) -> list[Record]:
    """Return the records of either form of request."""
    return payload.records if isinstance(payload, Batch) else [payload]


def frame_of(records: list[Record]) -> pd.DataFrame:
    """Return records as the model's inputs: float64 with NaN for missing, categories as objects."""
    columns: dict[str, Any] = {
        name: np.array([record[name] for record in records], dtype=np.float64) for name in NUMERIC
    }
    for name in CATEGORICAL:
        values = np.empty(len(records), dtype=object)
        values[:] = [np.nan if record[name] is None else record[name] for record in records]
        columns[name] = values
    return pd.DataFrame({name: columns[name] for name in FEATURES}, copy=False)
