"""Make training data of what the service learned, before a training: `python ci/collect.py`.

To the data that the commit names are added what was collected earlier, and the predictions in PREDICTION_LOG
whose true labels have arrived since. The result is pushed to DATA_BUCKET and published as `latest`. What that
changes of the commit is build/data.patch, for a job that commits it. The files here stay the commit's: then
it can still be said what is trained.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from {{ cookiecutter.package }} import data, git, intake, remote
from {{ cookiecutter.package }}.errors import DataError, ProjectError
from {{ cookiecutter.package }}.pipelines import commits, store
from {{ cookiecutter.package }}.serving.collect import collect

RECORD, PATCH = "data/raw.dvc", Path("build/data.patch")
COLLECTED = "feedback-"  # what the names of such files begin with
DAYS = 90  # how far back the log is read
REMOTE = ("remote", "add", "--quiet", "--force", "--local", "--default", "ci")


def main() -> int:
    """Collect.

    Returns:
        The exit code: 0 done, whether there was something new or not; 1 failed, with the reason on stderr.
    """
    try:
        new(os.environ["PREDICTION_LOG"], os.environ["DATA_BUCKET"])
    except KeyError as error:
        print(f"error: {error} isn't set; CI runs this with it", file=sys.stderr)
    except ProjectError as error:
        print(f"error: {error}", file=sys.stderr)
    else:
        return 0
    return 1


def new(log: str, bucket: str) -> bool:
    """Publish the commit's data with what is known besides.

    Args:
        log: s3://bucket/prefix, or a folder.
        bucket: of the data.

    Returns:
        Whether that is more than the commit's.

    Raises:
        DataError: the labelled predictions break the schema, or DVC fails.
        StoreError: the object store can't be reached.
    """
    # Fetched from there too, whatever remotes the project has.
    _run("dvc", *REMOTE, f"s3://{bucket}/{remote.PREFIX}")
    opened = store.open_store()
    committed = intake.start()
    # Not committed, unless somebody has asked for that; the log may hold it no more.
    if before := store.latest(opened):
        store.fetch_more(opened, before, data.RAW, COLLECTED)
        _run("dvc", "add", "--quiet", str(data.RAW))
    found = collect(log, datetime.now(UTC) - timedelta(days=DAYS))
    print(found, flush=True)
    if found.version == committed:
        return False
    _run("dvc", "push", "--quiet", RECORD)
    version = commits.recorded()
    store.publish(opened, version)
    print(f"latest is {version}", flush=True)
    PATCH.parent.mkdir(exist_ok=True)
    PATCH.write_bytes(_run("git", "diff", "HEAD", "--", RECORD))
    if git.content("HEAD", RECORD) is not None:
        _run("git", "checkout", "--quiet", "HEAD", "--", RECORD)
    return True


def _run(program: str, *arguments: str) -> bytes:
    command = [sys.executable, "-m", "dvc"] if program == "dvc" else [program]
    done = subprocess.run([*command, *arguments], capture_output=True, check=False)  # noqa: S603 - fixed commands
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        hint = "may CI write to DATA_BUCKET, and are AWS_ENDPOINT_URL and its keys or role set?"
        raise DataError(f"{program} {arguments[0]} failed: {said}", hint)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
