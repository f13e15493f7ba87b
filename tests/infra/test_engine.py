"""The whole local target by the real engine, as somebody with `pulumi` and a terminal would use it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import psutil
import pytest

from mlops_platform import contract
from mlops_platform.supervision import marks, record

pytestmark = pytest.mark.engine

INFRA = Path(__file__).resolve().parents[2] / "infra"
QUIET = ["--yes", "--non-interactive", "--color=never"]
FAST = [*QUIET, "--skip-preview"]


class Project:
    """A generated repository, as far as infra is concerned."""

    def __init__(self, root, cli, pulumi_home, scripts):
        self.root, self.cli = root, cli
        shutil.copytree(INFRA, root / "infra", ignore=shutil.ignore_patterns("__pycache__"))
        path = os.pathsep.join([str(scripts), str(Path(cli).parent), os.environ["PATH"]])
        self.environment = {
            **os.environ,
            "PATH": path,
            "PULUMI_HOME": str(pulumi_home),
            "PULUMI_CONFIG_PASSPHRASE": "of the test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    @property
    def home(self):
        return self.root / ".seedbed" / "environments" / "dev"

    def begin(self, *arguments):
        return subprocess.Popen(
            [self.cli, *arguments], cwd=self.root / "infra", env=self.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, *arguments):
        """The command's output; it must succeed."""
        process = self.begin(*arguments)
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output
        return output

    def fail(self, *arguments):
        """The command's output; it must fail."""
        process = self.begin(*arguments)
        output, _ = process.communicate(timeout=600)
        assert process.returncode != 0, output
        return output

    def outputs(self):
        return json.loads(self.run("stack", "output", "--json", "--show-secrets"))

    def resource(self, name):
        """A resource's outputs as the state has them."""
        state = self.root / ".seedbed/state/.pulumi/stacks/mlops-platform/dev.json"
        resources = json.loads(state.read_text())["checkpoint"]["latest"].get("resources", [])
        return next(r["outputs"] for r in resources if r["urn"].endswith(f"::{name}"))

    def store(self, outputs):
        """A client made of the stack's outputs alone."""
        return boto3.client(
            "s3",
            endpoint_url=outputs["s3_endpoint"],
            region_name=outputs["s3_region"],
            aws_access_key_id=outputs["s3_access_key"],
            aws_secret_access_key=outputs["s3_secret_key"],
        )

    def processes(self):
        """Name → numbers of the marked processes that lead their session."""
        found = {}
        for process in marks.find(self.home):
            with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):  # ended since it was found
                if os.getsid(process.pid) == process.pid:
                    found.setdefault(process.environ()[marks.NAME_VARIABLE], []).append(process.pid)
        return found

    def assert_nothing_left(self, ports):
        assert not marks.find(self.home)
        assert not self.home.exists()
        for port in ports:
            with socket.socket() as connection:
                assert connection.connect_ex(("127.0.0.1", port)) != 0, f"port {port} still answers"
            assert not list(Path("/tmp").glob(f"seaweedfs-*-{port}.sock"))  # noqa: S108
        assert "resources" not in json.loads(self.run("stack", "export"))["deployment"]

    def ports(self):
        return [port for name in self.processes() for port in self.resource(name)["ports"].values()]


@pytest.fixture
def project(pulumi_cli, made, tmp_path):
    set_up = Project(tmp_path / "repository", pulumi_cli, tmp_path / "pulumi-home", made.root / ".venv/bin")
    set_up.run("stack", "init", "dev", "--non-interactive")
    yield set_up
    left = marks.find(set_up.home)
    marks.stop(set_up.home)
    assert not left, "the test left processes running"


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: is_gone(pid))


def is_gone(pid):
    try:
        return not marks.is_live(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True


def wait_until(condition, seconds=300.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it didn't come to that"
        time.sleep(0.05)


def is_marked(project, pid):
    """Whether a process has become its program: before that, it has no environment."""
    try:
        return bool(pid) and marks.carries(psutil.Process(pid), project.home)
    except psutil.NoSuchProcess:
        return False


def command_of(process):
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def put_through_mlflow(uri, name, content):
    request = urllib.request.Request(f"{uri}/api/2.0/mlflow-artifacts/artifacts/{name}", data=content, method="PUT")
    with urllib.request.urlopen(request, timeout=60) as response:
        assert response.status == 200


def begin_up_and_kill_it(project):
    """Kill the engine when the tracking server runs and the state doesn't know it yet."""
    engine = project.begin("up", *FAST)
    wait_until(project.home.exists)
    started = time.monotonic()
    refusal = project.fail("up", *FAST)  # two at once: the other is told who does the work
    assert "locked by 1 lock(s)" in refusal
    assert f"pid {engine.pid}" in refusal
    assert time.monotonic() - started < 60, "must not wait for the lock"
    wait_until(lambda: (found := record.load(project.home / "mlflow")) is not None and is_marked(project, found.pid))
    below = psutil.Process(engine.pid).children(recursive=True)
    assert any("pulumi.dynamic" in command_of(process) for process in below)
    helpers = [process for process in below if not marks.carries(process, project.home)]
    os.kill(engine.pid, signal.SIGKILL)
    engine.communicate()
    wait_until(lambda: not any(marks.is_live(helper) for helper in helpers))
    assert set(project.processes()) - {"registry"} == {"store", "mlflow"}


def test_an_environment_from_a_crash_in_its_first_up_to_its_end(project):
    begin_up_and_kill_it(project)
    before = project.processes()
    project.run("cancel", "--yes")
    up = project.run("up", *FAST)
    assert {**project.processes(), **before} == project.processes(), "they are adopted: the same, and no second ones"

    # What it offers works, with what the outputs say alone.
    outputs = project.outputs()
    assert set(outputs) == set(contract.NAMES)
    client, bucket = project.store(outputs), outputs["data_bucket"]
    for body in (b"one", b"two"):
        client.put_object(Bucket=bucket, Key="key", Body=body)
    put_through_mlflow(outputs["mlflow_tracking_uri"], "7/model.txt", b"a model")
    assert client.get_object(Bucket=outputs["artifact_bucket"], Key="mlflow/7/model.txt")["Body"].read() == b"a model"

    # Its secret is nowhere to be read.
    secret = outputs["s3_secret_key"]
    assert secret not in up + project.run("stack", "output", "--json")
    assert not [path for path in project.root.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]

    # Other sites' pages can't use the tracking server through a browser.
    api = outputs["mlflow_tracking_uri"] + "/api/2.0/mlflow/experiments/search?max_results=1"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(urllib.request.Request(api, headers={"Host": "evil.example"}), timeout=60)

    # A killed store is drift; the next `up` repairs it, and its objects and addresses are the same.
    kill(project.resource("store")["pid"])
    assert "1 updated" in project.run("refresh", *FAST)
    assert project.resource("store")["running"] is False
    project.run("up", *FAST)
    assert project.outputs() == outputs
    assert client.get_object(Bucket=bucket, Key="key")["Body"].read() == b"two"
    assert len(client.list_object_versions(Bucket=bucket, Prefix="key")["Versions"]) == 2

    # Once more changes nothing.
    project.run("up", *FAST, "--expect-no-changes")

    # Down, with full buckets.
    ports = project.ports()
    project.run("destroy", *FAST)
    project.assert_nothing_left(ports)


def test_down_after_a_crash_takes_what_the_state_never_knew_and_works_with_the_store_dead(project):
    begin_up_and_kill_it(project)
    ports = [*project.resource("store")["ports"].values(), *record.load(project.home / "mlflow").ports.values()]
    kill(project.resource("store")["pid"])
    project.run("cancel", "--yes")
    project.run("destroy", *FAST)
    project.assert_nothing_left(ports)


def test_a_setting_out_of_range_is_told_without_a_stack_trace(project):
    project.run("config", "set", "s3Port", "70000")
    output = project.fail("preview", "--non-interactive", "--color=never")
    assert "error: Configuration s3Port = '70000' must be 1024 to 65535, or 0 for any free port" in output
    assert "Traceback" not in output
    assert not project.home.exists()
