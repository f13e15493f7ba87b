"""A real S3 server of a test's own."""

import contextlib
import sys

import boto3
from tests.conftest import ROOT

KEYS = {"AWS_ACCESS_KEY_ID": "ACCESSKEY", "AWS_SECRET_ACCESS_KEY": "s3cret-of-the-test"}


@contextlib.contextmanager
def object_store(home, *buckets):
    """Run a server with its files in `home`; gives what a person has in the environment for it, and a client."""
    sys.path.insert(0, str(ROOT / "infra"))
    try:
        from mlops_platform.components.local import seaweedfs
        from mlops_platform.resources.process import ProcessProvider
    finally:
        sys.path.remove(str(ROOT / "infra"))

    server = seaweedfs.server()
    inputs = {
        "name": "store", "home": str(home), "command": server.command,
        "requested_ports": dict.fromkeys(server.ports, 0), "fixed_distances": server.fixed_distances,
        "environment": KEYS, "version": server.version, "ready": [vars(check) for check in server.ready],
        "ready_seconds": 180, "residue": server.residue,
    }  # fmt: skip
    outputs = ProcessProvider().create(inputs).outs
    try:
        environment = {**KEYS, "AWS_ENDPOINT_URL": outputs["url"], "AWS_DEFAULT_REGION": "us-east-1"}
        keys = {name.lower(): value for name, value in KEYS.items()}
        client = boto3.client("s3", endpoint_url=outputs["url"], region_name="us-east-1", **keys)
        for bucket in buckets:
            client.create_bucket(Bucket=bucket)
        yield environment, client
    finally:
        ProcessProvider().delete("store", outputs)
