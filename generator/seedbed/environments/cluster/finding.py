"""What a look at a cluster brings to light."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """Something about the cluster that the person should know.

    Attributes:
        level: an error would make `up` fail half-way; a warning would not.
        what: the fact.
        do: what to do about it.
    """

    level: Literal["error", "warning"]
    what: str
    do: str

    def __str__(self) -> str:
        return f"{self.what}. {self.do}"

    def as_dict(self) -> dict[str, str]:
        """The finding as `--json` shows it."""
        return asdict(self)
