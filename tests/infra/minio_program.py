"""MinIO for the tests: the program on PATH, or one built from its Go module (4 minutes, once)."""

import shutil

from tests.infra.go_program import GoProgram

_PROGRAM = GoProgram("minio", "github.com/minio/minio", "v0.0.0-20260212201848-7aac2a2c5b7c")
MISSING = "no MinIO on PATH or in the cache: `python -m tests.programs` builds it, or says why not"


def find():
    """Its path, or None."""
    return shutil.which("minio") or _PROGRAM.find()


def obtain(say):
    """Have it in the cache, unless it is on PATH.

    Raises:
        ToolMissingError: it can't be built.
    """
    if find() is None:
        _PROGRAM.obtain(say)
