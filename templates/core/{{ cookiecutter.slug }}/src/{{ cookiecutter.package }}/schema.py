"""What a row of the data is: every column's name and kind. Nothing else in the project names a column."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["number", "integer", "boolean", "category"]
Task = Literal["classification", "regression"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One input of the model; `nullable` says whether a row may leave it empty."""

    name: str
    kind: Kind
    nullable: bool


# fmt: off
# ruff: noqa: E501, RUF001
PROJECT = "flight-delays"
TITLE = "Flight Delays"
DESCRIPTION = "Late arrivals of flights out of New York"
TASK: Task = "classification"
TARGET = "late"
TIME: str | None = "scheduled"
COLUMNS: tuple[Feature, ...] = (
    Feature("carrier", "category", nullable=False),
    Feature("origin", "category", nullable=False),
    Feature("dest", "category", nullable=False),
    Feature("distance", "integer", nullable=False),
    Feature("weekday", "integer", nullable=False),
    Feature("hour", "integer", nullable=False),
    Feature("minute", "integer", nullable=False),
    Feature("temperature", "number", nullable=True),
    Feature("dew_point", "number", nullable=True),
    Feature("humidity", "number", nullable=True),
    Feature("wind_direction", "number", nullable=True),
    Feature("wind_speed", "number", nullable=True),
    Feature("wind_gust", "number", nullable=True),
    Feature("precipitation", "number", nullable=True),
    Feature("pressure", "number", nullable=True),
    Feature("visibility", "number", nullable=True),
)
# fmt: on

FEATURES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
CATEGORICAL: tuple[str, ...] = tuple(column.name for column in COLUMNS if column.kind == "category")
NUMERIC: tuple[str, ...] = tuple(column.name for column in COLUMNS if column.kind != "category")
REQUIRED: tuple[str, ...] = (*FEATURES, TARGET) if TIME is None else (*FEATURES, TARGET, TIME)
