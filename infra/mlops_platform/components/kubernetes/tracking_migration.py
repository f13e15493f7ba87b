"""Brings MLflow's tables to the version of the MLflow that is about to start; runs inside its image, as `python -c`.

Pods that start together take turns at a lock of the database: two migrations at once would break each other, and
MLflow's own lock is a file of one pod. The lock goes with the connection, however this program ends.
"""

from __future__ import annotations

import contextlib
import importlib
import subprocess
import sys

LOCK = 7337  # any number; nothing else locks in this database


def main(address: str) -> int:
    """Migrate the database at this address; the password is in PGPASSWORD.

    Returns:
        MLflow's exit code: 0, the tables are as they have to be.
    """
    driver = importlib.import_module("psycopg2")  # in the image, and in no environment that checks this file
    with contextlib.closing(driver.connect(address)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        # The address that SQLAlchemy understands names its driver.
        target = address.replace("postgresql://", "postgresql+psycopg2://", 1)
        return subprocess.run([sys.executable, "-m", "mlflow", "db", "upgrade", target], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
