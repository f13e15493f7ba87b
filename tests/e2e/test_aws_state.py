"""A state that a team shares: prepared, moved to and used by the real engine; S3 and KMS by moto, and a real S3 server."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import boto3
import pytest
import yaml
from tests.conftest import Result, run
from tests.e2e import aws_server
from tests.infra import minio_program

pytestmark = pytest.mark.engine

SPEC = """
[project]
name = "State Test"
[choices]
ci = "none"
[data]
source = "table.csv"
target = "y"
[data.features]
x = "number"
[environments.prod]
target = "aws"
account = "{account}"
region = "{region}"
variant = "storage"
[environments.team]
target = "kubernetes"
context = "none"
[environments.dev]
"""
SECRET = "hush-hush-of-the-state"
PROGRAM = f"""
import os, pathlib, time
import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider, UpdateResult

class Files(ResourceProvider):
    def create(self, props):
        pathlib.Path(props["path"]).write_text("x")
        while pathlib.Path(props["path"] + ".wait").exists():
            time.sleep(0.05)
        return CreateResult("file", props)
    def update(self, _id, _old, props):
        return UpdateResult(props)
    def delete(self, _id, props):
        pathlib.Path(props["path"]).unlink(missing_ok=True)

class File(Resource):
    def __init__(self, name, path):
        super().__init__(Files(), name, {{"path": path}})

File("elsewhere", os.environ["ELSEWHERE"])
pulumi.export("s3_secret_key", pulumi.Output.secret({SECRET!r}))
pulumi.export("s3_access_key", "plain")
"""
STACK = ".pulumi/stacks/mlops-platform/prod.json"
BUCKET = f"state-test-state-{aws_server.ACCOUNT}-{aws_server.REGION}"


@pytest.fixture(scope="module")
def aws():
    with aws_server.serving() as server:
        yield server


class Workplace:
    """A checkout of the project, and its command line."""

    def __init__(self, root, variables):
        self.root, self.variables = root, variables

    def __call__(self, *arguments, code=0, env=None):
        done = subprocess.run(
            [sys.executable, "-m", "seedbed", *arguments], cwd=self.root, capture_output=True, text=True, check=False,
            env={**os.environ, **self.variables, **(env or {})}, timeout=300, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    @property
    def settings(self):
        return yaml.safe_load((self.root / "infra/Pulumi.prod.yaml").read_text())

    @property
    def local(self):
        return self.root / ".seedbed/state" / STACK


@pytest.fixture(scope="module")
def made(tmp_path_factory, aws, pulumi):
    """A project whose environment prod is up, with a small program in place of infra/'s own, and a copy of it."""
    folder = tmp_path_factory.mktemp("aws-state")
    (folder / "table.csv").write_text("x,y\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(60)))
    (folder / "spec.toml").write_text(SPEC.format(account=aws_server.ACCOUNT, region=aws_server.REGION))
    done = run([sys.executable, "-m", "seedbed", "new", "here", "--spec", "spec.toml", "--no-input"], folder)
    assert done.returncode == 0, done.stdout
    root = folder / "here"
    (root / "infra/__main__.py").write_text(PROGRAM)
    (root / ".venv").mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (root / ".venv" / part).symlink_to(Path(sys.prefix) / part)
    (root / ".venv/.ready").touch()
    copy(root, folder / "not-up")
    workplace = Workplace(root, {**aws.variables, "ELSEWHERE": str(folder / "elsewhere")})
    assert up(workplace)["changes"] == {"create": 1}
    copy(root, folder / "up")
    return workplace


def copy(source, destination):
    shutil.rmtree(destination, ignore_errors=True)
    shutil.copytree(source, destination, symlinks=True)


@pytest.fixture
def checkout(made, aws):
    """The project as it was, and nothing on AWS; always at one place, since the engine notes where a program was."""
    aws.reset()

    def restore(name="here", state="up"):
        copy(made.root.parent / state, made.root.parent / name)
        return Workplace(made.root.parent / name, dict(made.variables))

    return restore


def up(workplace, variables=None):
    return workplace("up", "prod", "--skip-checks", "--json", env=variables).json


def stored(aws, bucket=BUCKET):
    s3 = aws.client("s3")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", ())]
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys}


def test_a_state_moves_with_its_secrets_and_the_old_passphrase_is_not_needed_any_more(checkout, aws):
    here = checkout()
    before = json.loads(here.local.read_text())["checkpoint"]["latest"]["resources"]
    moved = here("state", "move", "prod", "--json").json
    assert moved["made"] == ["key alias/state-test-state", f"bucket {BUCKET}"]
    assert moved["resources"] == 1
    assert not here.local.exists()
    assert json.loads(Path(moved["backup"]).read_text())["checkpoint"]["latest"]["resources"] == before
    content = stored(aws)
    assert [r["urn"] for r in json.loads(content[STACK])["checkpoint"]["latest"]["resources"]] == [
        r["urn"] for r in before
    ]
    assert not any(SECRET in text for text in content.values())
    assert SECRET not in Path(moved["backup"]).read_text()
    assert here.settings["secretsprovider"] == moved["secrets_provider"]
    assert "encryptionsalt" not in here.settings
    (here.root / ".seedbed/passphrase").unlink()
    assert up(here)["changes"] == {}
    assert here("outputs", "prod", "--format", "json").json["AWS_SECRET_ACCESS_KEY"] == SECRET
    # What a colleague has: the repository, and credentials of their own.
    there = checkout("there", "not-up")
    (there.root / "infra/Pulumi.prod.yaml").write_bytes((here.root / "infra/Pulumi.prod.yaml").read_bytes())
    assert "create" not in up(there)["changes"]
    again = here("state", "move", "prod", "--json").json
    assert (again["made"], again["url"]) == ([], moved["url"])
    there("down", "prod", "--yes")
    assert STACK not in stored(aws)


def test_plain_pulumi_uses_it_too(checkout, pulumi):
    here = checkout()
    here("state", "move", "prod")
    exported = here("state", "show", "prod", "--format", "shell").out
    assert exported.startswith("export PULUMI_BACKEND_URL='s3://")
    script = (
        f"{exported}\nexport PATH={pulumi.path.parent}:$PATH\npulumi stack output s3_secret_key --show-secrets -s prod"
    )
    done = run(["sh", "-c", script], here.root / "infra", here.variables)
    assert done.stdout.strip().endswith(SECRET)


def test_an_environment_that_is_not_up_begins_there(checkout, aws):
    here = checkout(state="not-up")
    assert here("state", "move", "prod", "--json").json["backup"] == ""
    shown = here("state", "show", "prod", "--json").json
    assert (shown["shared"], shown["resources"], shown["locks"]) == (True, 0, [])
    assert up(here)["changes"] == {"create": 1}
    assert STACK in stored(aws)
    assert not here.local.exists()
    assert "awskms" in stored(aws)[STACK]
    assert up(here)["changes"] == {}


def test_a_state_of_somebody_else_is_not_overwritten(checkout, aws):
    first, second = checkout("here"), checkout("second")
    first("state", "move", "prod")
    program = (second.root / "infra/__main__.py").read_text()
    (second.root / "infra/__main__.py").write_text(program.replace('File("elsewhere"', 'File("other"'))
    up(second, {"ELSEWHERE": first.variables["ELSEWHERE"] + "-of-another"})
    theirs, mine = stored(aws)[STACK], second.local.read_bytes()
    error = second("state", "move", "prod", "--json", code=5).json["error"]
    assert "another state of environment 'prod'" in error["message"]
    assert stored(aws)[STACK] == theirs
    assert second.local.read_bytes() == mine


@pytest.mark.parametrize("step", ["init", "import", "change-secrets-provider"])
def test_a_move_that_was_killed_is_finished_by_the_next_one(checkout, aws, tmp_path, pulumi, step):
    here = checkout()
    mine, settings = here.local.read_bytes(), here.settings
    # A Pulumi that ends, and its caller with it, as soon as this step is done.
    fake = tmp_path / "bin/pulumi"
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/sh\n"{pulumi.path}" "$@"; code=$?\ncase "$*" in *"stack {step}"*) kill -9 $PPID;; esac\nexit $code\n'
    )
    fake.chmod(0o755)
    path = f"{fake.parent}{os.pathsep}{pulumi.path.parent}{os.pathsep}{os.environ['PATH']}"
    here("state", "move", "prod", code=-signal.SIGKILL, env={"PATH": path})
    assert here.local.read_bytes() == mine
    assert here.settings == settings
    assert here("state", "move", "prod", "--json").json["resources"] == 1
    assert up(here)["changes"] == {}
    assert here("outputs", "prod", "--format", "json").json["AWS_SECRET_ACCESS_KEY"] == SECRET


def test_a_bucket_of_a_name_like_ours_is_left_alone(checkout, aws):
    here = checkout()
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": aws_server.REGION})
    s3.put_object(Bucket=BUCKET, Key="theirs", Body=b"x")
    error = here("state", "move", "prod", "--json", code=5).json["error"]
    assert "which seedbed did not make" in error["message"]
    assert stored(aws) == {"theirs": "x"}
    assert [a for a in aws.client("kms").list_aliases()["Aliases"] if "state-test" in a["AliasName"]] == []


def test_what_the_bucket_and_the_key_are(checkout, aws):
    checkout(state="not-up")("state", "move", "prod")
    s3, kms = aws.client("s3"), aws.client("kms")
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    assert set(s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    key = kms.describe_key(KeyId="alias/state-test-state")["KeyMetadata"]
    assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == key["Arn"]
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"]
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    tags = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=BUCKET)["TagSet"]}
    assert tags["seedbed:state"] == "state-test"
    assert "seedbed:environment" not in tags, "it outlives every environment"


LOCK = ".pulumi/locks/organization/mlops-platform/prod/{}.json"


def test_only_the_lock_of_a_run_of_this_very_checkout_is_broken(checkout, aws):
    here = checkout()
    here("state", "move", "prod")
    wait = Path(here.variables["ELSEWHERE"] + "2.wait")
    wait.touch()
    program = (here.root / "infra/__main__.py").read_text()
    (here.root / "infra/__main__.py").write_text(program + '\nFile("second", os.environ["ELSEWHERE"] + "2")\n')
    running = subprocess.Popen(
        [sys.executable, "-m", "seedbed", "up", "prod", "--skip-checks"], cwd=here.root,
        env={**os.environ, **here.variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    deadline = time.monotonic() + 240
    while not Path(here.variables["ELSEWHERE"] + "2").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (lock,) = here("state", "show", "prod", "--json").json["locks"]
    # While it lives, nobody gets in, with its own checkout or another.
    error = here("up", "prod", "--skip-checks", "--json", code=5).json["error"]
    assert f"(pid {lock['pid']})" in error["message"]
    running.kill()
    os.kill(lock["pid"], signal.SIGKILL)
    running.communicate(timeout=30)
    wait.unlink()
    # A colleague's machine of the same name knows nothing of that process.
    there = checkout("there", "here")
    shutil.rmtree(there.root / ".seedbed/runs")
    there("up", "prod", "--skip-checks", "--json", code=5)
    recovered = here("up", "prod", "--skip-checks", "--json")
    assert recovered.json["changes"].get("create", 0) + recovered.json["unchanged"] >= 1
    assert here("state", "show", "prod", "--json").json["locks"] == []
    # And one of somebody else, whose process number means nothing here.
    foreign = {
        "pid": 2**22 - 7,
        "username": "ada",
        "hostname": os.uname().nodename,
        "timestamp": "2026-01-01T00:00:00Z",
    }
    aws.client("s3").put_object(Bucket=BUCKET, Key=LOCK.format("theirs"), Body=json.dumps(foreign).encode())
    error = here("up", "prod", "--skip-checks", "--json", code=5).json["error"]
    assert "ada@" in error["message"]
    assert LOCK.format("theirs") in stored(aws)


def test_credentials_that_expire_while_the_engine_works_cost_nothing(checkout, aws, tmp_path):
    here, flag = checkout(), tmp_path / "expired"
    here("state", "move", "prod")
    # Between this one's creation and the record of it, the credentials' time is over.
    program = (here.root / "infra/__main__.py").read_text()
    program = program.replace('.write_text("x")', '.write_text("x"); pathlib.Path(os.environ["FLAG"]).touch()')
    (here.root / "infra/__main__.py").write_text(program + '\nFile("second", os.environ["ELSEWHERE"] + "-2")\n')
    with aws_server.expiring(aws, flag) as url:
        here.variables |= {"AWS_ENDPOINT_URL_S3": url, "FLAG": str(flag)}
        error = here("up", "prod", "--skip-checks", "--json", code=7).json["error"]
        assert error["kind"] == "credentials-expired"
        assert "run the command again" in error["hint"]
        assert flag.exists()
        # Nothing is taken for gone meanwhile.
        for verb in (["status"], ["down", "--yes"], ["up", "--skip-checks"]):
            assert here(verb[0], "prod", *verb[1:], "--json", code=7).json["error"]["kind"] == "credentials-expired"
        flag.unlink()
        here.variables["FLAG"] = str(tmp_path / "never-looked-at")
        up(here)
        assert here("state", "show", "prod", "--json").json["resources"] == 2
        assert up(here)["changes"] == {}
        assert here("outputs", "prod", "--format", "json").json["AWS_SECRET_ACCESS_KEY"] == SECRET


@pytest.fixture
def minio(tmp_path):
    """A real S3 server; not SeaweedFS, which lists the folder of a removed lock as one."""
    program = minio_program.find()
    if program is None:
        pytest.skip(minio_program.MISSING)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    keys = {"MINIO_ROOT_USER": "ACCESSKEY", "MINIO_ROOT_PASSWORD": "s3cret-of-the-test", "MINIO_BROWSER": "off"}
    server = subprocess.Popen(
        [program, "server", f"--address=127.0.0.1:{port}", f"--certs-dir={tmp_path}/certs", str(tmp_path / "store")],
        env={**os.environ, **keys}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 60
    while not answers(f"{url}/minio/health/cluster"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    yield url, {"AWS_ACCESS_KEY_ID": "ACCESSKEY", "AWS_SECRET_ACCESS_KEY": "s3cret-of-the-test"}
    server.terminate()
    server.wait(30)


def answers(url):
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:
        return False
    return True


def test_a_bucket_of_ones_own_on_a_real_s3_server(checkout, minio):
    here, (endpoint, keys) = checkout(), minio
    given = {name.lower(): value for name, value in keys.items()}
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **given)
    s3.create_bucket(Bucket="acme-state")
    url = f"s3://acme-state/teams?region=us-east-1&endpoint={endpoint}&s3ForcePathStyle=true"
    # moto takes any keys, the real server its own alone.
    here.variables |= keys
    moved = here("state", "move", "prod", "--to", url, "--json").json
    assert (moved["url"], moved["secrets_provider"], moved["made"]) == (url, "", [])
    assert f"teams/{STACK}" in [item["Key"] for item in s3.list_objects_v2(Bucket="acme-state")["Contents"]]
    assert up(here)["changes"] == {}
    wrong = {"AWS_SECRET_ACCESS_KEY": "wrong"}
    error = here("up", "prod", "--skip-checks", "--json", code=7, env=wrong).json["error"]
    assert error["kind"] == "credentials-refused"
    assert up(here)["changes"] == {}


def test_whose_state_stays(checkout):
    here = checkout()
    assert "processes on this machine" in here("state", "move", "dev", "--json", code=2).json["error"]["message"]
    assert "--to" in here("state", "move", "team", "--json", code=2).json["error"]["hint"]
    assert (
        "not the URL of a bucket"
        in here("state", "move", "team", "--to", "http://x", "--json", code=3).json["error"]["message"]
    )
    shown = here("state", "show", "dev", "--json").json
    assert (shown["shared"], shown["url"]) == (False, f"file://{here.root}/.seedbed/state")
    # Also when the person's shell has the variable of another environment.
    here("up", "dev", env={"PULUMI_BACKEND_URL": "s3://of-another-environment"})
    assert (here.root / ".seedbed/state" / STACK.replace("prod", "dev")).is_file()
