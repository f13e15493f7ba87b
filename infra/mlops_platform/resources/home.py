"""The folder of a local environment: made first, removed last, with anything that a crash has left in it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from mlops_platform.errors import PlatformError
from mlops_platform.resources.provider import Provider
from mlops_platform.supervision import marks, record

OWNER_FILE = "environment.json"


class HomeProvider(Provider):
    """Makes, keeps and removes the folder."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make the folder, or take on that of an earlier run which was cut short.

        Raises:
            PlatformError: it belongs to another environment, or can't be made.
        """
        _claim(Path(props["path"]), props["owner"], {props["owner"]})
        return CreateResult("home", dict(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Whether the folder is missing, or has another path than before.

        Raises:
            PlatformError: the path changed while the old folder is still there; or another kind of store is wanted.
        """
        if news["store"] != olds["store"]:
            raise PlatformError(
                f"The environment's store is {olds['store']}, and {news['store']} was asked for: what is in it would"
                " be lost",
                "Copy out what shall stay, and take the environment down and up again; or set the store back.",
            )
        if news["path"] != olds["path"] and Path(olds["path"]).exists():
            raise PlatformError(
                f"The environment's folder is {olds['path']}, and {news['path']} was asked for",
                "Take the environment down and up again, or move the folder there yourself, and run up.",
            )
        return DiffResult(changes=news["path"] != olds["path"] or _owner(Path(news["path"])) != news["owner"])

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Go on in a folder that was moved, or make it anew.

        Raises:
            PlatformError: it belongs to another environment, or can't be made.
        """
        _claim(Path(news["path"]), news["owner"], {olds["owner"], news["owner"]})
        return UpdateResult(dict(news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """What is there; nothing if the folder isn't this environment's."""
        if _owner(Path(props["path"])) != props["owner"]:
            return ReadResult("", {})
        return ReadResult(id_, dict(props))

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Stop what still carries the environment's mark, and remove the folder unless it holds somebody else's files.

        Raises:
            PlatformError: a process doesn't stop.
        """
        home = Path(props["path"])
        marks.stop(home)
        if _owner(home) != props["owner"]:
            return
        for own in home.glob(f"*/{record.FILE_NAME}"):
            shutil.rmtree(own.parent)
        (home / OWNER_FILE).unlink()
        if not any(home.iterdir()):
            home.rmdir()


class Home(Resource, module="mlops", name="Home"):
    """The folder of a local environment.

    Args:
        name: Pulumi name.
        path: absolute path.
        owner: whose it is; two environments never share a folder.
        store: kind of the object store, with which an environment stays.
        opts: Pulumi options.
    """

    path: pulumi.Output[str]

    def __init__(
        self, name: str, *, path: str, owner: str, store: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(HomeProvider(), name, {"path": path, "owner": owner, "store": store}, opts)


def _claim(home: Path, owner: str, own_names: set[str]) -> None:
    present = _owner(home)
    if present is not None and present not in own_names:
        raise PlatformError(
            f"The folder {home} belongs to the environment {present}",
            "Give this one a folder of its own: pulumi config set home PATH, or remove the setting for the default.",
        )
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / OWNER_FILE).write_text(json.dumps({"owner": owner}) + "\n", encoding="utf-8")
    except OSError as error:
        raise PlatformError(
            f"The environment's folder can't be made: {error}",
            "Make room or give yourself the right to write there, or choose another: pulumi config set home PATH.",
        ) from error


def _owner(home: Path) -> str | None:
    try:
        owner = json.loads((home / OWNER_FILE).read_text(encoding="utf-8"))["owner"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(owner)
