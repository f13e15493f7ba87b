"""MinIO, or a fork of it, as the S3 server: a program that is already on this machine."""

from __future__ import annotations

from mlops_platform.components.local.process_store import REGION, Server
from mlops_platform.components.local.programs import find_installed, reported_version
from mlops_platform.errors import PlatformError
from mlops_platform.supervision.service import Check

PROGRAM_VARIABLE = "MINIO"


def server() -> Server:
    """How to run it.

    Raises:
        PlatformError: it isn't there, or doesn't run.
    """
    program = find_installed("minio", variable=PROGRAM_VARIABLE)
    if program is None:
        raise PlatformError(
            "The environment's store is minio, and there is no program of that name on PATH",
            "Install MinIO or a fork of it and put `minio` on PATH, or name it:"
            f" export {PROGRAM_VARIABLE}=/path/to/minio. The store seaweedfs needs no installation (store in"
            " seedbed.toml, or pulumi config set store seaweedfs).",
        )
    return Server(
        command=[
            program,
            "server",
            "--address=127.0.0.1:{port.http}",
            # Beside it, and not the person's own: with a certificate in their home it would serve TLS.
            "--certs-dir=certs",
            "data",
        ],
        ports=("http",),
        access_key_variable="MINIO_ROOT_USER",
        secret_key_variable="MINIO_ROOT_PASSWORD",  # noqa: S106, the variable's name
        environment={"MINIO_BROWSER": "off", "MINIO_UPDATE": "off", "MINIO_SITE_REGION": REGION},
        version=reported_version(program, expect="minio"),
        ready=(Check("http", "/minio/health/cluster"),),
    )
