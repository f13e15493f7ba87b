"""The rights on the state, by the real engine and a server that enforces policies: enough, and no more."""

import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from tests.infra.aws.iam import statements
from tests.infra.conftest import KEYS

from mlops_platform.components.aws.account import Account, document
from mlops_platform.components.aws.policies import Scope, state_bucket, state_rights
from mlops_platform.resources.process import ProcessProvider

pytestmark = pytest.mark.engine

PROGRAM = "import pulumi\npulumi.export('value', {value!r})\n"


@pytest.fixture(scope="module")
def url(store_props, tmp_path_factory):
    props = store_props("minio", tmp_path_factory.mktemp("store"))
    outputs = ProcessProvider().create(props).outs
    yield outputs["url"]
    ProcessProvider().delete("store", outputs)


@pytest.fixture
def client(url):
    def make(service, **keys):
        return boto3.client(service, endpoint_url=url, region_name="us-east-1", **keys)

    return make


@pytest.fixture
def scope(configured):
    return Scope(account=Account(provider=None, settings=configured()), program="mlops-platform")


@pytest.fixture
def keys_with(client):
    """Keys that may do what a policy says; the server knows neither owners of buckets nor KMS."""

    def make(rights):
        own = [
            {name: value for name, value in statement.items() if name != "Condition"}
            for statement in statements(document(*rights))
            if not statement["Action"][0].startswith("kms:")
        ]
        administrator = {"aws_access_key_id": KEYS["access_key"], "aws_secret_access_key": KEYS["secret_key"]}
        given = client("sts", **administrator).assume_role(
            RoleArn="arn:minio:iam:::role/any", RoleSessionName="ci", Policy=document(*own)
        )["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
            "AWS_SESSION_TOKEN": given["SessionToken"],
        }

    return make


@pytest.fixture
def engine(pulumi_cli, url, scope, client, tmp_path):
    """Runs the engine in a folder with a program, with its state in the server."""
    administrator = {"AWS_ACCESS_KEY_ID": KEYS["access_key"], "AWS_SECRET_ACCESS_KEY": KEYS["secret_key"]}
    client("s3", **{name.lower(): value for name, value in administrator.items()}).create_bucket(
        Bucket=state_bucket(scope.account)
    )
    backend = f"s3://{state_bucket(scope.account)}?region=us-east-1&endpoint={url}&s3ForcePathStyle=true"
    (tmp_path / "Pulumi.yaml").write_text(f"name: mlops-platform\nruntime: python\nbackend: {{url: '{backend}'}}\n")

    def run(*arguments, keys=administrator, value="one"):
        (tmp_path / "__main__.py").write_text(PROGRAM.format(value=value))
        environment = {
            **os.environ, **keys, "PULUMI_HOME": str(tmp_path / "home"), "PULUMI_CONFIG_PASSPHRASE": "of the test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), str(Path(pulumi_cli).parent), os.environ["PATH"]]),
        }  # fmt: skip
        return subprocess.run(
            [pulumi_cli, *arguments, "--non-interactive", "--color=never"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return run


def assert_refused(done):
    assert done.returncode != 0
    assert "AccessDenied" in done.stderr or "Forbidden" in done.stderr, done.stdout + done.stderr


def test_a_pull_request_previews_its_stack_and_changes_nothing(engine, keys_with, scope):
    for stack in ("prod", "dev"):
        assert engine("stack", "init", stack).returncode == 0
        done = engine("up", "--yes", "--skip-preview", "--stack", stack)
        assert done.returncode == 0, done.stdout + done.stderr
    preview = keys_with(state_rights(scope, write=False))
    done = engine("preview", "--diff", "--stack", "prod", keys=preview, value="two")
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'value: "one" => "two"' in done.stdout
    for refused in (
        engine("up", "--yes", "--skip-preview", "--stack", "prod", keys=preview, value="two"),
        engine("preview", "--stack", "dev", keys=preview),
    ):
        assert_refused(refused)
    assert engine("stack", "output", "value", "--stack", "prod").stdout == "one\n"

    apply = keys_with(state_rights(scope, write=True))
    done = engine("up", "--yes", "--skip-preview", "--stack", "prod", keys=apply, value="two")
    assert done.returncode == 0, done.stdout + done.stderr
    assert engine("stack", "output", "value", "--stack", "prod").stdout == "two\n"
    refused = engine("up", "--yes", "--skip-preview", "--stack", "dev", keys=apply, value="two")
    assert_refused(refused)
