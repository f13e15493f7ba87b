"""An S3 server on this machine, with credentials of its own and the project's two buckets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from mlops_platform.components.object_store import ObjectStore
from mlops_platform.resources.bucket import Bucket
from mlops_platform.resources.credentials import Credentials
from mlops_platform.resources.process import Process
from mlops_platform.supervision.service import Check

REGION = "us-east-1"
_PROCESS = "store"
_READY_SECONDS = 180


@dataclass(frozen=True, kw_only=True)
class Server:
    """How a program serves S3.

    Attributes:
        command: program and arguments; `{port.NAME}` stands for a port.
        ports: names of its ports; "http" is the S3 API.
        access_key_variable: the variable that it takes its key id from.
        secret_key_variable: the variable that it takes the key's secret from.
        version: of the program.
        ready: what tells that it serves, all of it.
        environment: further variables.
        fixed_distances: name of a further port → the port that it lies above, and by how much.
        residue: files outside its folder that it leaves behind when killed.
    """

    command: list[str]
    ports: tuple[str, ...]
    access_key_variable: str
    secret_key_variable: str
    version: str
    ready: tuple[Check, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    fixed_distances: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    residue: tuple[str, ...] = ()


class ProcessStore(ObjectStore):
    """The store of a local environment, as a supervised process.

    Args:
        name: Pulumi name.
        server: the program that serves S3.
        home: folder of the environment.
        port: of the S3 API on loopback; 0 takes a free one.
        data_bucket: name of the bucket for data.
        artifact_bucket: name of the bucket for artifacts.
        opts: Pulumi options.
    """

    def __init__(
        self,
        name: str,
        *,
        server: Server,
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
            command=server.command,
            requested_ports={key: port if key == "http" else 0 for key in server.ports},
            fixed_distances=server.fixed_distances,
            environment={
                **server.environment,
                server.access_key_variable: credentials.access_key,
                server.secret_key_variable: credentials.secret_key,
            },
            version=server.version,
            ready=server.ready,
            ready_seconds=_READY_SECONDS,
            residue=server.residue,
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

    @property
    def client_variables(self) -> dict[str, pulumi.Input[str]]:
        """The environment variables with which a process of the environment reaches the store."""
        return {**super().client_variables, "AWS_ENDPOINT_URL": self.endpoint}
