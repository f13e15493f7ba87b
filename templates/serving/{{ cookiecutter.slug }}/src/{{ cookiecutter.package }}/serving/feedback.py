"""True labels, which arrive when the predictions are long gone: what is accepted, and what is remembered.

A label names its prediction by id. Whether that prediction exists is for the log to say, which may be on
another replica's disk or in an object store: a service that refused what it doesn't remember itself would
lose labels at every restart. So an unknown id is accepted, counted and said, and joined, or not, when labels
are collected.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, {% if cookiecutter.task == "classification" %}BeforeValidator, {% endif %}Discriminator, Field, Tag
{%- if cookiecutter.task == "classification" %}

from .refusals import FieldProblem, Refusal
{%- endif %}

if TYPE_CHECKING:
    from collections.abc import Iterable

{% if cookiecutter.task == "classification" -%}
MAX_SHOWN_CLASSES = 20


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Actual = Annotated[
    Annotated[bool, Field(strict=True)]
    | Annotated[int, Field(strict=True)]
    | Annotated[str, Field(strict=True, max_length=1000)],
    BeforeValidator(_whole),
]
{%- else -%}
Actual = Annotated[float, Field(strict=True, allow_inf_nan=False)]
{%- endif %}


class Label(BaseModel, extra="forbid"):
    """What turned out to be true of one prediction."""

    id: str = Field(pattern=r"^[0-9a-f]{32}$", description="The prediction's id, as /predict answered it")
    actual: Actual = Field(description="{% if cookiecutter.task == "classification" %}The true class{% else %}The true value{% endif %}")


class Labels(BaseModel, extra="forbid"):
    """Several true labels at once; all are taken, or none."""

    labels: Annotated[list[Label], Field(min_length=1, fail_fast=True)]


def _form(value: Any) -> str:
    is_batch = isinstance(value, Labels) or (isinstance(value, dict) and "labels" in value)
    return "batch" if is_batch else "label"


FeedbackPayload = Annotated[
    Annotated[Label, Tag("label")] | Annotated[Labels, Tag("batch")], Discriminator(_form)
]


class Received(BaseModel):
    """How many labels were written down."""

    accepted: int
    unknown: int = Field(description="Those whose prediction this process doesn't remember; kept too")


def labels_of(payload: Label | Labels) -> list[Label]:
    """Return the labels of either form of request."""
    return payload.labels if isinstance(payload, Labels) else [payload]

{% if cookiecutter.task == "classification" %}
def require_classes(payload: Label | Labels, classes: Iterable[bool | int | str]) -> None:
    """Refuse labels that the model doesn't know: most are typing errors, and would be learnt as a class.

    Raises:
        Refusal: 422, naming the first one and the classes.
    """
    # 1 and True are equal, and different labels all the same.
    known = {(type(label), label) for label in classes}
    for number, label in enumerate(labels_of(payload)):
        if (type(label.actual), label.actual) not in known:
            shown = ", ".join(sorted(repr(value) for _, value in known)[:MAX_SHOWN_CLASSES])
            where = "actual" if isinstance(payload, Label) else f"labels.{number}.actual"
            problem = FieldProblem(where=where, message=f"The model knows {shown}")
            raise Refusal(422, "the model knows no such class", errors=[problem])

{% endif %}
class RecentIds:
    """The ids of the newest predictions.

    Args:
        most: how many are remembered; each takes about 150 bytes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._order: deque[str] = deque()
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def add(self, ids: Iterable[str]) -> None:
        """Remember ids, and forget the oldest."""
        with self._lock:
            for name in ids:
                if len(self._order) == self._most:
                    self._known.discard(self._order.popleft())
                self._order.append(name)
                self._known.add(name)

    def count(self, ids: Iterable[str]) -> int:
        """Return how many of these ids are remembered."""
        with self._lock:
            return sum(name in self._known for name in ids)
