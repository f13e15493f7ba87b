"""What a look at a cluster or an account brings to light before `up`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from seedbed.errors import InfrastructureError


@dataclass(frozen=True)
class Finding:
    """Something about the place that the person should know.

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


_SKIP = "; --skip-checks goes on in spite of them"


def refuse_errors(findings: Sequence[Finding], where: str, environment: str, *, skippable: bool = True) -> None:
    """Stop where a finding says that `up` would fail.

    Args:
        findings: all of them, for the message.
        where: the place, at the beginning of a sentence.
        environment: its name.
        skippable: whether --skip-checks would go on.

    Raises:
        InfrastructureError: at least one is an error.
    """
    if any(finding.level == "error" for finding in findings):
        raise InfrastructureError(
            f"{where} can't take environment '{environment}'; nothing was changed:\n"
            + "\n".join(f"  - {finding}." for finding in findings),
            hint=f"Put these right and run the command again{_SKIP if skippable else ''}.",
            details={"findings": [finding.as_dict() for finding in findings]},
        )
