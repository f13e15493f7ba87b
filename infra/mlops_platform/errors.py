"""The one error that a user is meant to read."""

from __future__ import annotations


class PlatformError(Exception):
    """Something that the person can put right.

    Args:
        problem: what happened and why.
        remedy: what to do next.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}\nWhat to do: {remedy}")
        self.problem = problem
        self.remedy = remedy
