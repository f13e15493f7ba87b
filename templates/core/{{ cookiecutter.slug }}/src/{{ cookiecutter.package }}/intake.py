"""Takes new data into `data/raw`, and keeps it and DVC's record of it at the same version.

What the record names, which Git versions, is what is trained on: other files are first brought to it. Nothing
that isn't in DVC's cache is ever removed.
"""

from __future__ import annotations

import filecmp
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from . import data, remote, tables, validation
from .errors import DataError
from .schema import REQUIRED

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLE = Path("tests/data/sample.csv")
RECORD = Path("data/raw.dvc")
ARRIVING = (".csv", ".tsv", ".txt", ".parquet")
SHOWN = 5  # files named in a message


def start(folder: Path = data.RAW, tell: Callable[[str], None] = lambda _: None) -> str:
    """Make sure that there is data to train on: the version that the record names.

    A project without any data starts with its sample.

    Args:
        folder: the tracked folder, or another one with data: DVC has nothing to do with that.
        tell: is called with what was done to its files.

    Returns:
        The data version.

    Raises:
        DataError: the recorded version is neither in DVC's cache nor in the environment's store; or the
            folder holds another one, with files that DVC doesn't have.
    """
    if folder != data.RAW:
        return data.version(folder)
    if RECORD.exists():
        _bring(folder, tell)
        return data.version(folder)
    if not _files(folder):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SAMPLE, folder / SAMPLE.name)
    remote.dvc("add", str(folder))
    return data.version(folder)


def add(
    file: Path,
    *,
    replace: bool = False,
    folder: Path = data.RAW,
    tell: Callable[[str], None] = lambda _: None,
) -> str:
    """Check a file and take it into the data, beside the version that the record names.

    Args:
        file: Parquet, or CSV in the form of data/raw or in that of schema.py, with the columns of the schema.
        replace: whether it takes the place of all files there are.
        folder: the tracked folder, or another one: DVC has nothing to do with that.
        tell: is called with each remark: new categories, values far outside the known range.

    Returns:
        The new data version.

    Raises:
        DataError: the file breaks the schema, or its name is taken; or what `start` raises. The file isn't
            taken then.
    """
    _require_name(file)
    with tempfile.TemporaryDirectory() as scratch:
        arrived = tables.own(file, REQUIRED, data.NUMBERS, Path(scratch))
        validation.require_valid([arrived])
        tracked = folder == data.RAW
        if tracked and RECORD.exists() and (_files(folder) or not replace):
            _bring(folder, tell)
        target = folder / arrived.name
        if target.exists() and not replace and not filecmp.cmp(arrived, target, shallow=False):
            raise DataError(
                f"{target} exists with other content",
                "give the new file another name, or start over with REPLACE=1",
            )
        present = [path for path in _files(folder) if path.suffix in data.SUFFIXES]
        if present:
            for remark in validation.news(data.read_file(arrived), data.read(folder)):
                tell(remark)
        if tracked and present and not RECORD.exists():
            remote.dvc("add", str(folder))
        _copy(arrived, target)
    if replace:
        for path in present:
            if path != target:
                path.unlink()
    if tracked:
        remote.dvc("add", str(folder))
    return data.version(folder)


def _require_name(file: Path) -> None:
    if file.suffix.lower() not in ARRIVING:
        raise DataError(f"{file.name} is neither .csv nor .parquet", "convert it first")
    if file.name.startswith("."):
        raise DataError(f"{file.name} would be hidden, and hidden files aren't read", "give it another name")
    if not file.is_file():
        raise DataError(f"{file} isn't a file")


def _copy(file: Path, target: Path) -> None:
    """Copy beside the target and rename: an interrupted copy never looks like data."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.parent.parent / f".{target.name}.partial"
    try:
        shutil.copyfile(file, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def recorded() -> str:
    """Return the data version that the record names.

    Raises:
        DataError: it can't be read, as when two branches changed it and Git left that to a person.
    """
    try:
        version: str = yaml.safe_load(RECORD.read_text(encoding="utf-8"))["outs"][0]["md5"]
    except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError) as error:
        raise DataError(
            f"{RECORD} names no version",
            f"if two branches changed the data: git checkout --theirs {RECORD}, then add your files to that",
        ) from error
    return version


def _bring(folder: Path, tell: Callable[[str], None]) -> None:
    """Bring the folder to the version that the record names."""
    wanted = recorded()
    if data.version(folder) == wanted:
        return
    cache = remote.cache()
    # DVC empties the folder when its cache turns out to lack a file.
    if not _holds(cache, wanted):
        remote.fetch(RECORD)
    present = _files(folder)
    if unknown := [path for path in present if not _object(cache, data.file_md5(path)).is_file()]:
        names = ", ".join(str(path.relative_to(folder)) for path in unknown[:SHOWN])
        more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
        raise DataError(
            f"{folder} isn't what {RECORD} names, and these files of it are recorded nowhere: {names}{more}",
            f"to make what is there the new version: .venv/bin/dvc add {folder}\n"
            f"  or, to drop these files: .venv/bin/dvc checkout --force {RECORD}",
        )
    remote.dvc("checkout", str(RECORD))
    if present:
        tell(f"{folder} held another version than {RECORD} names, and was brought to {wanted}")


def _holds(cache: Path, version: str) -> bool:
    """Say whether a cache has all of a version."""
    listing = _object(cache, version)
    if not listing.is_file():
        return False
    entries = json.loads(listing.read_text(encoding="utf-8"))
    return all(_object(cache, entry["md5"]).is_file() for entry in entries)


def _object(cache: Path, md5: str) -> Path:
    return cache / md5[:2] / md5[2:]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
