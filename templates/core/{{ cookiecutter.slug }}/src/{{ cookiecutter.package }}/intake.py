"""Takes new data into `data/raw`, and keeps DVC's record of it."""

from __future__ import annotations

import filecmp
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import data, validation
from .errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLE = Path("tests/data/sample.csv")
RECORD = Path("data/raw.dvc")


def start(folder: Path = data.RAW) -> str:
    """Make sure that there is data to train on.

    Fetches the recorded version if the files are missing; a project without any data starts with its sample.

    Args:
        folder: the tracked folder, or another one with data: DVC has nothing to do with that.

    Returns:
        The data version.

    Raises:
        DataError: the recorded version is neither in DVC's cache nor in the remote.
    """
    if folder != data.RAW:
        return data.version(folder)
    if not folder.is_dir() or not any(folder.iterdir()):
        if RECORD.exists():
            try:
                _dvc("checkout", "--quiet", str(RECORD))
            except DataError:
                _dvc("pull", "--quiet", str(RECORD))
            return data.version(folder)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SAMPLE, folder / SAMPLE.name)
    if not RECORD.exists():
        _dvc("add", "--quiet", str(folder))
    return data.version(folder)


def add(
    file: Path,
    *,
    replace: bool = False,
    folder: Path = data.RAW,
    tell: Callable[[str], None] = lambda _: None,
) -> str:
    """Check a file and take it into the data.

    Args:
        file: a .csv or .parquet file with the columns of the schema.
        replace: whether it takes the place of all files there are.
        folder: the tracked folder, or another one: DVC has nothing to do with that.
        tell: is called with each remark: new categories, values far outside the known range.

    Returns:
        The new data version.

    Raises:
        DataError: the file breaks the schema, or its name is taken. Nothing was changed then.
    """
    if file.suffix not in data.SUFFIXES:
        raise DataError(f"{file.name} is neither .csv nor .parquet", "convert it first")
    if not file.is_file():
        raise DataError(f"{file} isn't a file")
    validation.require_valid([file])
    target = folder / file.name
    if target.exists() and not replace and not filecmp.cmp(file, target, shallow=False):
        raise DataError(
            f"{target} exists with other content",
            "give the new file another name, or start over with REPLACE=1",
        )
    folder.mkdir(parents=True, exist_ok=True)
    present = [path for path in folder.iterdir() if path.suffix in data.SUFFIXES]
    if present:
        for remark in validation.news(data.read_file(file), data.read(folder)):
            tell(remark)
    # Written beside the target and renamed: an interrupted copy never looks like data.
    partial = folder.parent / f".{file.name}.partial"
    try:
        shutil.copyfile(file, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    if replace:
        for path in present:
            if path != target:
                path.unlink()
    if folder == data.RAW:
        _dvc("add", "--quiet", str(folder))
    return data.version(folder)


def _dvc(*arguments: str) -> None:
    done = subprocess.run(  # noqa: S603 - fixed commands of this module
        [sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DataError(
            f"dvc {arguments[0]} failed: {done.stderr.strip() or done.stdout.strip()}",
            "is this a Git repository, and are AWS_ENDPOINT_URL and the keys of the environment set?",
        )
