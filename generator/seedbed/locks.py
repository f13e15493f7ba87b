"""The part of the tested dependency lock that a project needs.

`templates/requirements.lock` is one resolution of everything that any layer can ask for, with hashes. Its `# via`
comments hold the dependency graph, so the lock of a project is that file without what none of its roots leads to:
every project installs exactly the versions that were tested together.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from seedbed.errors import TemplateError

_PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==")


@dataclass(frozen=True)
class _Pin:
    name: str
    lines: tuple[str, ...]
    parents: frozenset[str]


def subset(lock: str, roots: Iterable[str]) -> str:
    """The pins of `lock` that the requirement files `roots` lead to, in the same order and without its comments.

    Raises:
        TemplateError: a root appears nowhere in the lock, which is then older than the layers.
    """
    pins = _parse(lock)
    wanted = {f"-r {root}" for root in roots}
    if stale := wanted - {parent for pin in pins for parent in pin.parents}:
        missing = ", ".join(sorted(root.removeprefix("-r ") for root in stale))
        raise TemplateError(f"templates/requirements.lock knows nothing of {missing}", hint="Run `make lock`.")
    kept: set[str] = set()
    while grown := {pin.name for pin in pins if pin.parents & wanted} - kept:
        kept |= grown
        wanted |= grown
    return "".join("\n".join(pin.lines) + "\n" for pin in pins if pin.name in kept)


@functools.cache
def _parse(lock: str) -> tuple[_Pin, ...]:
    pins = []
    for block in re.split(r"\n(?=[A-Za-z0-9])", lock):
        if not (match := _PIN.match(block)):
            continue
        lines = [line for line in block.splitlines() if not _is_comment(line)]
        comments = (line.strip(" #") for line in block.splitlines() if _is_comment(line))
        parents = {re.sub(r"^via\b\s*", "", comment) for comment in comments}
        pins.append(_Pin(match["name"], tuple(lines), frozenset(parents - {""})))
    return tuple(pins)


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")
