"""MinIO for the tests: the program on PATH, or one built from its Go module (4 minutes, when somebody asks for it):

python -m tests.infra.minio_program
"""

import shutil
import sys

from tests.infra.go_program import GoProgram

_PROGRAM = GoProgram("minio", "github.com/minio/minio", "v0.0.0-20260212201848-7aac2a2c5b7c")


def find():
    """Its path, or None."""
    return shutil.which("minio") or _PROGRAM.find()


if __name__ == "__main__":
    if find() is None:
        _PROGRAM.obtain(lambda text: sys.stderr.write(f"{text}\n"))
    sys.stdout.write(f"{find()}\n")
