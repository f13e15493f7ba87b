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


@dataclass(frozen=True, slots=True)
class CsvForm:
    """How a CSV file is written; `decimal` and `thousands` are the marks in its numbers."""

    encoding: str = "utf-8"
    separator: str = ","
    decimal: str = "."
    thousands: str = ""


# fmt: off
PROJECT = {{ cookiecutter.slug | py }}
TITLE = {{ cookiecutter.name | py }}
DESCRIPTION = {{ cookiecutter.description | py }}
TASK: Task = {{ cookiecutter.task | py }}
TARGET = {{ cookiecutter.target | py }}
# The classes of the target; rows with another one are refused.
CLASSES: tuple[bool | int | str, ...] = ({{ cookiecutter.classes | map("py") | join(", ") }})
TIME: str | None = {{ (cookiecutter.time or none) | py }}
# What several rows belong to, such as a patient: rows of one are tested together, or trained on together.
GROUP: str | None = {{ (cookiecutter.group or none) | py }}
# How CSV files that `make data` is given are written, unless as those in data/raw: UTF-8 with commas.
ARRIVING = CsvForm(
{%- for name, default in (("encoding", "utf-8"), ("separator", ","), ("decimal", "."), ("thousands", "")) if cookiecutter.files[name] != default -%}
{{ ", " if not loop.first }}{{ name }}={{ cookiecutter.files[name] | py }}
{%- endfor -%}
)
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
REQUIRED: tuple[str, ...] = (*FEATURES, TARGET, *filter(None, (TIME, GROUP)))
