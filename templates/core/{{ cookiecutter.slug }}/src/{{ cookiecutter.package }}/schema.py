"""What a row of the data is: every column's name and kind. Nothing else in the core names a column."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["number", "integer", "boolean", "category", "date"]
Task = Literal["classification", "regression"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One input of the model; `nullable` says whether a row may leave it empty."""

    name: str
    kind: Kind
    nullable: bool


# fmt: off
PROJECT = {{ cookiecutter.slug | py }}
TITLE = {{ cookiecutter.name | py }}
DESCRIPTION = {{ cookiecutter.description | py }}
TASK: Task = {{ cookiecutter.task | py }}
TARGET = {{ cookiecutter.target | py }}
TIME: str | None = {{ (cookiecutter.time or none) | py }}
COLUMNS: tuple[Feature, ...] = (
{%- for feature in cookiecutter.features %}
    Feature({{ feature.name | py }}, {{ feature.kind | py }}, nullable={{ feature.nullable | py }}),
{%- endfor %}
)
# fmt: on

FEATURES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
CATEGORICAL: tuple[str, ...] = tuple(column.name for column in COLUMNS if column.kind == "category")
DATES: tuple[str, ...] = tuple(column.name for column in COLUMNS if column.kind == "date")
NUMERIC: tuple[str, ...] = tuple(column.name for column in COLUMNS if column.kind not in {"category", "date"})
REQUIRED: tuple[str, ...] = (*FEATURES, TARGET) if TIME is None else (*FEATURES, TARGET, TIME)
