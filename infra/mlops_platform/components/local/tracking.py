"""Experiment tracking and the model registry on this machine: an MLflow server whose artifacts are in the store."""

from __future__ import annotations

import os
import sys

import pulumi

from mlops_platform.components.local.programs import installed_version, require_module
from mlops_platform.components.object_store import ObjectStore
from mlops_platform.resources.process import Process
from mlops_platform.supervision.service import Check

_READY_SECONDS = 300


class Tracking(pulumi.ComponentResource):
    """The MLflow server of a local environment.

    Only the server has the store's credentials: clients send and fetch artifacts through it.

    Args:
        name: Pulumi name.
        home: folder of the environment.
        port: of the server on loopback; 0 takes a free one.
        store: where artifacts go.
        artifacts: URI of the folder for them.
        opts: Pulumi options.
    """

    def __init__(
        self,
        name: str,
        *,
        home: pulumi.Input[str],
        port: int,
        store: ObjectStore,
        artifacts: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:local:Tracking", name, None, opts)
        process = Process(
            "mlflow",
            home=home,
            command=_command(artifacts),
            requested_ports={"http": port},
            environment={
                **store.client_variables,
                # The person's own AWS settings have no say in this.
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "AWS_EC2_METADATA_DISABLED": "true",
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            },
            version=installed_version("mlflow"),
            ready=[Check("http", "/health")],
            ready_seconds=_READY_SECONDS,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.url = process.url
        self.register_outputs({"url": self.url})


def require() -> None:
    """Make sure that MLflow is installed.

    Raises:
        PlatformError: it isn't.
    """
    require_module("mlflow", "mlflow")


def _command(artifacts: pulumi.Input[str]) -> list[pulumi.Input[str]]:
    return [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host=127.0.0.1",
        "--port={port.http}",
        "--backend-store-uri=sqlite:///mlflow.db",
        pulumi.Output.concat("--artifacts-destination=", artifacts),
        "--workers=1",
        "--allowed-hosts=127.0.0.1:*,localhost:*",
        "--cors-allowed-origins=http://127.0.0.1:*,http://localhost:*",
    ]
