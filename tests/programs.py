"""What tests run and no package index has: built once into the cache, from Go modules, where Go can be had.

Before the tests, not in them: it takes some minutes the first time, and tests have time-outs of their own. What can't
be built is said; the tests that need it are skipped with their reason.
"""

import sys

from tests.cluster import programs as cluster
from tests.infra import mc_program, minio_program

from seedbed.errors import ToolMissingError


def say(text):
    sys.stderr.write(f"{text}\n")


def main():
    """Obtain a Kubernetes control plane, MinIO and its client."""
    for obtain in (cluster.obtain, mc_program.obtain, minio_program.obtain):
        try:
            obtain(say)
        except ToolMissingError as error:
            say(f"Not to be had: {error}")


if __name__ == "__main__":
    main()
