"""Which commit runs here, and which data version it names.

In a repository Git knows both. A container image has none: there the working folder holds the `data/raw.dvc`
of the commit that it was built from, and `GIT_COMMIT` names that commit.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from {{ cookiecutter.package }} import git
from {{ cookiecutter.package }}.errors import DataError
from {{ cookiecutter.package }}.pipelines import store

if TYPE_CHECKING:
    from {{ cookiecutter.package }}.pipelines.store import Store

RECORD = Path("data/raw.dvc")


def running() -> str:
    """Return the commit whose code this is, or nothing if no commit is known to hold exactly this code."""
    return "" if git.changed() else git.commit()


def recorded(commit: str = "") -> str:
    """Return the data version that a commit names; without one, that `data/raw.dvc` names here and now.

    Raises:
        DataError: it names none, or this is an image that was built from another commit.
    """
    if commit and git.resolve("HEAD"):
        return _version(f"{commit}:{RECORD.as_posix()}", git.content(commit, RECORD.as_posix()))
    # Without a repository, an image that doesn't know its commit is believed; its data/raw.dvc still counts.
    if commit and git.commit() not in {"", commit}:
        raise DataError(
            f"this image is built from commit {git.commit()}, and the run is for {commit}",
            "build the image from that commit, and submit with it: --image",
        )
    return _version(str(RECORD), RECORD.read_bytes() if RECORD.is_file() else None)


def settle(commit: str, version: str, source: Store) -> tuple[str, str]:
    """Say which data a run trains on, and which code that is.

    Args:
        commit: the commit that the run is for; empty: whatever runs here.
        version: a data version, `latest` for the one published last, or nothing for the commit's.
        source: asked what is the latest.

    Returns:
        The data version, and the commit; where none is known, a name that no other run has, so that unknown
        code never finds another run's results.

    Raises:
        DataError: the code here is another commit's, or the commit names another data version.
        StoreError: the store can't be asked, or `version` isn't one.
    """
    named = recorded(commit) if commit or not version else ""
    if version == store.LATEST:
        found = store.resolve(source, version)
    else:
        found = store.check_version(version or named)
        if commit and found != named:
            raise DataError(
                f"commit {commit} names data version {named}, not {found}",
                f"train on it by the commit that names it, or with data_version={store.LATEST}",
            )
    return found, commit or running() or f"unknown-{uuid.uuid4().hex}"


def _version(where: str, content: bytes | None) -> str:
    hint = "add data first (make data FILE=…), and commit data/raw.dvc"
    if content is None:
        raise DataError(f"{where} isn't there, so no data version is named", hint)
    try:
        version = str(yaml.safe_load(content)["outs"][0]["md5"])
    except (yaml.YAMLError, LookupError, TypeError) as error:
        raise DataError(f"{where} names no data version: {error}", hint) from error
    return store.check_version(version)
