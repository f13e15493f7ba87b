"""What the tests import from each other."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest

from {{ cookiecutter.package }} import config, data, stages

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "tests/data/sample.csv"


@dataclass
class Trained:
    """Where the stages left what they made of the sample."""

    folder: Path
    params: config.Params
    metrics: dict = field(default_factory=dict)

    def __post_init__(self):
        self.raw = self.folder / "raw"
        self.prepared = self.folder / "prepared"
        self.models = self.folder / "models"
        self.reports = self.folder / "reports"

    def run(self):
        self.raw.mkdir(parents=True)
        shutil.copyfile(SAMPLE, self.raw / "sample.csv")
        stages.validate(self.raw, self.reports)
        stages.prepare(self.raw, self.prepared, self.params)
        stages.train(self.prepared, self.models, self.params)
        self.metrics = stages.evaluation(
            self.prepared, self.models, self.folder / "metrics.json", self.reports, self.params
        )
        return self

    @property
    def model(self):
        return self.models / stages.MODEL

    @property
    def train_rows(self):
        return pd.read_parquet(self.prepared / "train.parquet")

    @property
    def test_rows(self):
        return pd.read_parquet(self.prepared / "test.parquet")


def enough(rows, least=data.FEW + 1):
    """Return the rows, for a test that divides them more than once; skip it if too few are different."""
    if (different := data.hashes(rows, 0).nunique()) < least:
        pytest.skip(f"the sample has {different} different rows: too few to divide")
    return rows


def changed(frame, column, values):
    """Return rows with other values in one column; `assign` takes no column called self."""
    other = frame.copy()
    other[column] = values
    return other


def free_port():
    """Return a port that nobody listens on."""
    return free_ports(1)[0]


def free_ports(count):
    """Return so many different ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


@contextlib.contextmanager
def object_store(folder, bucket):
    """Run SeaweedFS with a bucket, on free ports, with keys of its own; give the environment's variables."""
    program = shutil.which("weed")
    if program is None:
        pytest.skip("weed is not installed: it comes with the local environment's requirements")
    names = [f"{name}.port{suffix}" for name in ("master", "volume", "filer") for suffix in ("", ".grpc")]
    port, *others = free_ports(1 + len(names))
    ports = [f"-{name}={other}" for name, other in zip(names, others, strict=True)]
    command = [program, "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.port={port}"]
    command += [f"-bucket={bucket}", "-admin.ui=false", "-webdav=false"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    variables = keys | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, *ports], env=os.environ | keys, stdout=log, stderr=log)
    try:
        _wait_for(bucket, variables, process, folder / "log")
        yield variables
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        finally:
            process.kill()
            # It leaves it behind, whatever it is told.
            Path(f"/tmp/seaweedfs-s3-{port}.sock").unlink(missing_ok=True)


def _wait_for(bucket, variables, process, log):
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    for _ in range(240):
        try:
            # The server answers before its bucket is there, and before it has room for an object.
            client.put_object(Bucket=bucket, Key="probe", Body=b"there")
            client.delete_object(Bucket=bucket, Key="probe")
        except (BotoCoreError, ClientError):
            assert process.poll() is None, log.read_text()[-2000:]
            time.sleep(0.25)
        else:
            return
    pytest.fail(f"the store did not start: {log.read_text()[-2000:]}")
