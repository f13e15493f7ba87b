"""What Git knows about this project: nothing, where there is no Git or no repository, as in an image."""

from __future__ import annotations

import os
import subprocess

# What a training run writes: committed after it, so that it says nothing about what was trained.
OUTPUTS = ("dvc.lock", "metrics.json", "reports")


def commit() -> str:
    """Return the commit that is checked out, or the one that `GIT_COMMIT` names in an image, or nothing."""
    return resolve("HEAD") or os.environ.get("GIT_COMMIT", "")


def changed() -> bool:
    """Say whether anything that a training run depends on differs from the commit, or Git can't tell."""
    found = _ask("status", "--porcelain", "--", ".", *(f":!{name}" for name in OUTPUTS))
    return bool(resolve("HEAD") if found is None else found)


def author() -> str:
    """Return who would be the author of a commit made now, as "Name <address>", or nothing."""
    found = _ask("var", "GIT_AUTHOR_IDENT")
    return "" if found is None else found.decode().rpartition(" ")[0].rpartition(" ")[0]


def resolve(name: str) -> str:
    """Return the full id of a commit, branch or tag, or nothing if there is none of that name."""
    found = _ask("rev-parse", "--quiet", "--verify", "--end-of-options", name + "^{commit}")
    return "" if found is None else found.decode().strip()


def content(commit_id: str, path: str) -> bytes | None:
    """Return a file as it is in a commit, or None if it isn't there.

    Args:
        commit_id: from `resolve`.
        path: relative to the current folder, which need not be the repository's root.
    """
    return _ask("show", f"{commit_id}:./{path}")


def _ask(*arguments: str) -> bytes | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed commands; names can't become options
            ["git", *arguments],  # noqa: S607
            capture_output=True,
            check=True,
            timeout=30,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout
