"""Two environments of one project, each with another kind of store: one of their own, and one that stays theirs."""

import os
import shutil
import signal

import boto3
import pytest
from tests.e2e.object_store import KEYS, object_store
from tests.e2e.test_environment import runs
from tests.infra import minio_program

from seedbed.environments import inventory

pytestmark = [pytest.mark.engine, pytest.mark.project]

REGION = "us-east-1"


@pytest.fixture
def root(made, pulumi, request):
    """The project with one more environment, whose table a test gives; afterwards nothing of it runs."""
    spec = made.root / "seedbed.toml"
    text = spec.read_text()
    yield made.root
    spec.write_text(text)
    left = [pid for name in ("box", "outside") for pid in inventory.marked_processes(home(made.root, name))]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    for name in ("box", "outside"):
        (made.root / "infra" / f"Pulumi.{name}.yaml").unlink(missing_ok=True)
    assert not left, "the test left processes running"


@pytest.fixture
def outside(tmp_path):
    """Somebody else's store with a full bucket; gives its address."""
    with object_store(tmp_path / "outside", "acme") as (environment, store):
        store.put_object(Bucket="acme", Key="theirs", Body=b"precious")
        yield environment["AWS_ENDPOINT_URL"]


def client(endpoint, **keys):
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name=REGION,
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"], aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )  # fmt: skip


def home(root, name):
    return root / ".seedbed" / "environments" / name


def ok(result):
    assert result.code == 0, result.out + result.err
    return result


def add(root, table):
    with (root / "seedbed.toml").open("a") as spec:
        spec.write(f"\n{table}\n")


def put_through_mlflow(uri, content):
    import urllib.request

    url = f"{uri}/api/2.0/mlflow-artifacts/artifacts/7/model.txt"
    with urllib.request.urlopen(urllib.request.Request(url, data=content, method="PUT"), timeout=60) as response:
        assert response.status == 200


def test_a_store_of_somebody_else_through_an_environments_life(seedbed, root, outside):
    add(root, f'[environments.outside]\nstore = "s3"\ns3_endpoint = "{outside}"\ndata_bucket = "acme"')
    result = seedbed("up", "outside", cwd=root)
    assert result.code == 7
    assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set" in result.err
    assert not home(root, "outside").exists()

    up = ok(seedbed("up", "outside", cwd=root, env=KEYS))
    values = ok(seedbed("outputs", "outside", "--format", "json", cwd=root)).json
    assert values | KEYS | {"AWS_ENDPOINT_URL": outside, "DATA_BUCKET": "acme", "AWS_REGION": REGION} == values
    made = values["ARTIFACT_BUCKET"]
    put_through_mlflow(values["MLFLOW_TRACKING_URI"], b"a model")
    store = client(outside, **KEYS)
    assert store.get_object(Bucket=made, Key="mlflow/7/model.txt")["Body"].read() == b"a model"
    store.put_object(Bucket="acme", Key="ours", Body=b"data")
    assert ok(seedbed("up", "outside", "--json", cwd=root, env=KEYS)).json["changes"] == {}

    # The secret is in no file, and a preview, a refresh and the end need no keys in the environment.
    secret = KEYS["AWS_SECRET_ACCESS_KEY"]
    assert secret not in up.out + up.err
    written = [path for path in root.rglob("*") if path.is_file() and ".venv" not in path.parts]
    assert not [path for path in written if secret.encode() in path.read_bytes()]
    assert ok(seedbed("refresh", "outside", "--json", cwd=root)).json["changes"] == {}

    down = ok(seedbed("down", "outside", "--yes", cwd=root))
    assert "1 bucket," in down.out
    assert "Kept: bucket acme" in down.out
    assert [bucket["Name"] for bucket in store.list_buckets()["Buckets"]] == ["acme"]
    assert {entry["Key"] for entry in store.list_objects_v2(Bucket="acme")["Contents"]} == {"theirs", "ours"}
    assert "Status" not in store.get_bucket_versioning(Bucket="acme")


def test_minio_through_an_environments_life(seedbed, root, tmp_path):
    add(root, '[environments.box]\nstore = "minio"')
    program = minio_program.find()
    if shutil.which("minio") is None:
        result = seedbed("up", "box", cwd=root)
        assert result.code == 7
        assert "store is minio, and there is no program of that name on PATH" in result.err
        assert not home(root, "box").exists()
    if program is None:
        pytest.skip(minio_program.MISSING)
    env = {"MINIO": program}
    ok(seedbed("up", "box", cwd=root, env=env))
    values = ok(seedbed("outputs", "box", "--format", "json", cwd=root)).json
    store = client(values["AWS_ENDPOINT_URL"], **values)
    store.put_object(Bucket=values["DATA_BUCKET"], Key="kept", Body=b"precious")
    put_through_mlflow(values["MLFLOW_TRACKING_URI"], b"a model")
    assert store.get_object(Bucket=values["ARTIFACT_BUCKET"], Key="mlflow/7/model.txt")["Body"].read() == b"a model"

    status = ok(seedbed("status", "box", "--json", cwd=root)).json
    processes = {process["name"]: process for process in status["processes"]}
    os.kill(processes["store"]["pid"], signal.SIGKILL)
    assert ok(seedbed("up", "box", "--json", cwd=root, env=env)).json["changes"] == {"update": 1}
    assert store.get_object(Bucket=values["DATA_BUCKET"], Key="kept")["Body"].read() == b"precious"

    # An environment stays with its store: what is in it would be lost.
    spec = root / "seedbed.toml"
    spec.write_text(spec.read_text().replace('store = "minio"', 'store = "seaweedfs"'))
    result = seedbed("up", "box", cwd=root)
    assert result.code == 7
    assert "store is minio, and seaweedfs was asked for" in result.err
    assert store.get_object(Bucket=values["DATA_BUCKET"], Key="kept")["Body"].read() == b"precious"

    assert "none is left" in ok(seedbed("down", "box", "--yes", cwd=root)).out
    assert not home(root, "box").exists()
    assert not runs(processes["mlflow"]["pid"])
