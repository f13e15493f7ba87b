"""How a request is refused: one exception, and one form of answer for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_REPORTED_ERRORS = 20


class FieldProblem(BaseModel):
    """What is wrong with one value."""

    where: str = Field(description="The column, after the record's number in a batch")
    message: str


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str
    errors: list[FieldProblem] = []


class Refusal(Exception):  # noqa: N818, an answer rather than an error of the service
    """A request that is answered with a status of 400 or more.

    Args:
        status: of the answer.
        detail: why, for the client.
        headers: of the answer.
        errors: what is wrong with single values.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[FieldProblem] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        self.problem = Problem(detail=detail, errors=list(errors))


def misfit(errors: Sequence[Any]) -> Refusal:
    """Name what is wrong with a body, without giving it back: it may be large, or not fit for JSON at all.

    Args:
        errors: what pydantic found. Their places begin with the request's form, which clients don't know.
    """
    named = [
        FieldProblem(where=".".join(map(str, error["loc"][1:])) or "body", message=error["msg"])
        for error in errors[:MAX_REPORTED_ERRORS]
    ]
    return Refusal(422, "the body does not fit the schema", errors=named)
