"""The real engine with a bucket's contents: `pulumi destroy` empties it, and nothing else does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.infra.aws import moto_server
from tests.infra.aws.conftest import ACCOUNT
from tests.infra.conftest import INFRA, KEYS

from mlops_platform.resources import s3
from mlops_platform.resources.process import ProcessProvider

pytestmark = pytest.mark.engine

PROGRAM = f"""
import pulumi
from mlops_platform.resources.aws.bucket_contents import BucketContents

config = pulumi.Config()
protect = config.get_bool("protect") or False
contents = BucketContents(
    "data", container=config.require("bucket"), account="{ACCOUNT}", region="us-east-1",
    environment="flights.prod", opts=pulumi.ResourceOptions(protect=protect),
)
pulumi.export("bucket", contents.container)
"""


@pytest.fixture
def store(store_props, tmp_path):
    outputs = ProcessProvider().create(store_props("seaweedfs", tmp_path / "home")).outs
    yield outputs["url"]
    ProcessProvider().delete("store", outputs)


@pytest.fixture
def client(store):
    made = s3.connect({"endpoint": store, "region": "us-east-1", **KEYS})
    for name in ("ours", "other"):
        s3.ensure_bucket(made, name)
        tags = [{"Key": "seedbed:environment", "Value": "flights.prod"}]
        made.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
        made.put_object(Bucket=name, Key="k", Body=b"precious")
    return made


@pytest.fixture
def run_pulumi(pulumi_cli, store, tmp_path, monkeypatch):
    """Run the command in a program's folder; gives its exit code and what it said."""
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "__main__.py").write_text(PROGRAM)
    (folder / "Pulumi.yaml").write_text(f"name: contents\nruntime: python\nbackend:\n  url: file://{tmp_path}\n")
    with moto_server.serve() as url:
        moto_server.point_at(url, monkeypatch)
        environment = {
            **os.environ, "PATH": f"{Path(sys.executable).parent}:{Path(pulumi_cli).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(INFRA), "PULUMI_HOME": str(tmp_path / "pulumi-home"),
            "PULUMI_CONFIG_PASSPHRASE": "of the test", "PULUMI_SKIP_UPDATE_CHECK": "true", "AWS_ENDPOINT_URL_S3": store,
            "AWS_ACCESS_KEY_ID": KEYS["access_key"], "AWS_SECRET_ACCESS_KEY": KEYS["secret_key"],
        }  # fmt: skip

        def run(*arguments):
            done = subprocess.run(
                [pulumi_cli, *arguments, "--non-interactive"], cwd=folder, env=environment, text=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180, check=False,
            )  # fmt: skip
            return done.returncode, done.stdout

        def configured(**values):
            for key, value in values.items():
                assert run("config", "set", key, value)[0] == 0

        run.configured = configured
        assert run("stack", "init", "prod")[0] == 0
        configured(bucket="ours")
        yield run


def is_full(client, bucket):
    return bool(client.list_object_versions(Bucket=bucket).get("Versions"))


def test_only_destroying_empties_and_only_where_nothing_is_protected(run_pulumi, client):
    up, down = ("up", "--yes", "--skip-preview", "--color=never"), ("destroy", "--yes", "--color=never")
    run_pulumi.configured(protect="true")
    code, said = run_pulumi(*up)
    assert code == 0, said
    code, said = run_pulumi(*up)
    assert code == 0, said
    assert "1 unchanged" in said or "2 unchanged" in said
    code, said = run_pulumi(*down)
    assert code != 0
    assert "protected" in said
    assert "contents.py" not in said  # the way there would hide the text
    assert is_full(client, "ours")
    run_pulumi.configured(protect="false", bucket="other")
    code, said = run_pulumi("preview", "--color=never")
    assert code != 0
    assert "bucket ours isn't empty" in said
    run_pulumi.configured(bucket="ours")
    assert run_pulumi(*up)[0] == 0
    assert is_full(client, "ours")
    code, said = run_pulumi(*down)
    assert code == 0, said
    assert not is_full(client, "ours")
    assert is_full(client, "other")
