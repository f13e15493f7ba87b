"""DVC, and the object store in which an environment keeps the data's versions."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from .errors import DataError
from .schema import PROJECT

CONFIGURATION = Path(".dvc/config")
PREFIX = "dvc"
_SECTION = re.compile(r"'?remote \"(.+)\"'?")


def push() -> str:
    """Put the data's versions, and what the stages made of them, into the environment's store.

    Returns:
        The store's address.

    Raises:
        DataError: no environment is named, or its store can't be reached.
    """
    name = choose()
    if subprocess.run(_command("push", "--remote", name), check=False).returncode:  # noqa: S603 - see `dvc`
        raise DataError("dvc push failed: it says above why", _HINT)
    return address()


def fetch(record: Path) -> None:
    """Get a recorded version from the environment's store into DVC's cache; no file of the project changes.

    Raises:
        DataError: no environment is named, or its store can't be reached, or lacks the version.
    """
    dvc("fetch", "--remote", choose(), str(record))


def cache() -> Path:
    """Return the folder of DVC's cache that holds files and listings by their MD5."""
    return Path(dvc("cache", "dir")) / "files" / "md5"


def address() -> str:
    """Return where the environment keeps the data's versions.

    Raises:
        DataError: `DATA_BUCKET`, which names its bucket, isn't set.
    """
    bucket = os.environ.get("DATA_BUCKET")
    if not bucket:
        raise DataError(
            "DATA_BUCKET, the environment's bucket for data, isn't set",
            "write the variables of an environment that is up: seedbed outputs NAME --format dotenv > .env",
        )
    return f"s3://{bucket}/{PREFIX}"


def choose() -> str:
    """Return the name of DVC's remote for the environment's store; one that is missing is added.

    `DATA_BUCKET` decides, as it does for the pipeline: DVC's own default is the first environment's remote.

    Raises:
        DataError: no environment is named, or DVC's configuration can't be read.
    """
    wanted = address()
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read([CONFIGURATION, CONFIGURATION.with_suffix(".local")], encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise DataError(f"{CONFIGURATION} can't be read: {error}") from error
    known = {
        found[1]: parser[section].get("url", "").rstrip("/")
        for section in parser.sections()
        if (found := _SECTION.fullmatch(section))
    }
    for name, url in known.items():
        if url == wanted:
            return name
    name = _environment(os.environ["DATA_BUCKET"])
    dvc("remote", "add", "--force", name, wanted)
    return name


def dvc(*arguments: str) -> str:
    """Run a command of DVC's, and return what it printed.

    Raises:
        DataError: it failed; with its own words.
    """
    done = subprocess.run(  # noqa: S603 - fixed commands of this project
        _command(*arguments), capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}, without a word"
        raise DataError(f"dvc {arguments[0]} failed: {said}", _HINT)
    return done.stdout.strip()


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dvc", *arguments]


def _environment(bucket: str) -> str:
    """Return the name of the environment that a bucket belongs to, by seedbed.toml; else the bucket's own."""
    try:
        environments = tomllib.loads(Path("seedbed.toml").read_text(encoding="utf-8"))["environments"]
        names = [
            name
            for name, keys in environments.items()
            if keys.get("data_bucket") == bucket or bucket.startswith(f"{PROJECT}-{name}-data")
        ]
    except (OSError, ValueError, LookupError, AttributeError):
        names = []
    return max(names, key=len, default=bucket)


_HINT = "is this a Git repository, and are AWS_ENDPOINT_URL and the keys those of a running environment?"
