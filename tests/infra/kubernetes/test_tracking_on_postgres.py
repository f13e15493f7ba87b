"""The tracking server for real: PostgreSQL, MLflow and a store, with the arguments that the containers get.

PostgreSQL's own image can't run here, so what its entry point does with our files is done by hand, in its order.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.conftest import run
from tests.e2e.object_store import object_store
from tests.e2e.test_project import free_port
from tests.infra.kubernetes.stores import FakeStore

PASSWORDS = {"superuser": "s3cret-of-root", "tracking": "s3cret-of-mlflow"}
TRACKING = Path(__file__).parents[3] / "infra/mlops_platform/components/kubernetes"


def postgres_programs():
    """The folder of PostgreSQL's programs: on PATH, or where Debian puts a server's."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if not versions:
        pytest.skip("no PostgreSQL here (Debian: apt-get install postgresql)")
    return versions[-1].parent


class Postgres:
    """A server of a test's own, as an account that isn't root: PostgreSQL refuses to run as that."""

    def __init__(self, folder, arguments):
        self.programs, self.folder, self.arguments = postgres_programs(), folder, arguments
        self.account = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
        self.port = free_port()

    def run(self, program, *arguments, script=None, **variables):
        return subprocess.run(
            [str(self.programs / program), *arguments], cwd=self.folder, env={**os.environ, **variables}, input=script,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False, **self.account,
        )  # fmt: skip

    def do(self, *command, **variables):
        done = self.run(*command, **variables)
        assert done.returncode == 0, done.stdout

    def control(self, action, address):
        options = f"-c listen_addresses='{address}' -c unix_socket_directories={self.folder} -c port={self.port}"
        log = ["-l", "log"] if action == "start" else ["-m", "fast"]
        self.do("pg_ctl", "-D", "data", "-w", "-o", " ".join([options, *self.arguments]), *log, action)

    def query(self, user, database, password, statement):
        address = f"postgresql://{user}@127.0.0.1:{self.port}/{database}"
        return self.run("psql", "-X", "-A", "-t", address, "-c", statement, PGPASSWORD=password)


@pytest.fixture(scope="module")
def postgres():
    """As the image's entry point leaves it after the first start."""
    from mlops_platform.components.kubernetes import database

    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for key, value in PASSWORDS.items():
            (folder / key).write_text(value)
        server = Postgres(folder, ["-c jit=off"])
        if server.account:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, **server.account)
        script = (TRACKING / "database.sql").read_text().replace("/etc/database", str(folder))
        initdb = ["--username=postgres", "--pwfile=superuser", "--auth=scram-sha-256", "--data-checksums"]
        server.do("initdb", "-D", "data", *initdb)
        server.control("start", "")
        psql = ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-h", str(folder), "-p", str(server.port), "-U", "postgres"]
        server.do(*psql, script=script, PGPASSWORD=PASSWORDS["superuser"])
        server.control("stop", "")
        server.control("start", "127.0.0.1")
        try:
            yield server
        finally:
            server.control("stop", "127.0.0.1")
    assert database.TRACKING_KEY in PASSWORDS


@pytest.mark.parametrize(
    ("user", "database", "password", "expected"),
    [
        ("mlflow", "mlflow", PASSWORDS["tracking"], True),
        ("mlflow", "mlflow", PASSWORDS["superuser"], False),
        ("mlflow", "mlflow", "", False),  # not trusted though it comes from the same machine, as a port-forward does
        ("postgres", "mlflow", PASSWORDS["superuser"], True),
        ("postgres", "mlflow", PASSWORDS["tracking"], False),
        ("postgres", "postgres", "", False),
    ],
)
def test_who_gets_in(postgres, user, database, password, expected):
    done = postgres.query(user, database, password, "SELECT 1")
    assert (done.returncode == 0) is expected, done.stdout


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("CREATE TABLE of_mlflow (id int); DROP TABLE of_mlflow", True),
        ("CREATE ROLE another", False),
        ("CREATE DATABASE another", False),
        ("COPY (SELECT 1) TO PROGRAM 'true'", False),
        ("SELECT pg_read_file('/etc/passwd')", False),
        ("ALTER SYSTEM SET jit = on", False),
    ],
)
def test_what_the_tracking_server_may_do(postgres, statement, allowed):
    done = postgres.query("mlflow", "mlflow", PASSWORDS["tracking"], statement)
    assert (done.returncode == 0) is allowed, done.stdout


@pytest.mark.parametrize("size", ["small", "standard", "ha"])
def test_the_server_knows_its_settings(postgres, on_cluster, size):
    def declare(cluster):
        from mlops_platform.components.kubernetes.database import Database

        Database("database", cluster=cluster, namespace="flights-prod")

    pod = on_cluster(declare, size=size).find("StatefulSet")["spec"]["template"]["spec"]
    program, *settings = pod["containers"][0]["args"]
    for name, value in (setting.split("=") for setting in settings if setting != "-c"):
        done = postgres.run(program, "-D", "data", *settings, "-C", name)
        pages = str(int(value.removesuffix("MB")) * 2**20 // 8192) if value.endswith("MB") else value
        assert (done.returncode, done.stdout.strip()) == (0, pages)


@pytest.mark.project
def test_mlflow_runs_with_the_containers_arguments(made, postgres, on_cluster, tmp_path):
    """Two pods at once on an empty database, then a run with an artifact, by the names that it may be called by."""
    with object_store(tmp_path / "store", "flights-artifacts") as (keys, s3):

        def declare(cluster):
            from mlops_platform.components.kubernetes.tracking import Tracking

            Tracking("tracking", cluster=cluster, namespace="flights-prod", store=FakeStore(keys["AWS_ENDPOINT_URL"]))

        pod = on_cluster(declare).find("Deployment", "tracking")["spec"]["template"]["spec"]
        drivers = tmp_path / "drivers"
        uv = made.root / ".venv/bin/uv"
        install = [
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            made.python,
            "--target",
            drivers,
            "psycopg2-binary==2.9.13",
        ]
        assert run(install, tmp_path).returncode == 0
        own = {"HOME": str(tmp_path), "PYTHONPATH": str(drivers), "PGPASSWORD": PASSWORDS["tracking"]}
        environment = {**os.environ, **own, **variables(pod["containers"][0], keys)}

        migration = command(pod["initContainers"][0], made, postgres, 0)
        pods = [subprocess.Popen(migration, env={**os.environ, **own}, cwd=tmp_path) for _ in range(2)]
        assert [one.wait(timeout=180) for one in pods] == [0, 0]

        port = free_port()
        log = tmp_path / "log"
        with log.open("wb") as output, server(command(pod["containers"][0], made, postgres, port), environment, output):
            wait(f"http://127.0.0.1:{port}/health", log)
            assert status(port, "tracking.flights-prod.svc:5000") == 200
            assert status(port, "evil.example") == 403
            client = (
                "import mlflow\n"
                "with mlflow.start_run() as run:\n"
                "    mlflow.log_metric('auc', 0.9)\n"
                "    mlflow.log_text('hello', 'notes/hello.txt')\n"
                "assert mlflow.get_run(run.info.run_id).data.metrics == {'auc': 0.9}\n"
                "assert mlflow.artifacts.load_text(run.info.artifact_uri + '/notes/hello.txt') == 'hello'\n"
            )
            # A client has the server's address, and no key of the store.
            done = run([made.python, "-c", client], tmp_path, env={"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}"})
            assert done.returncode == 0, done.stdout + log.read_text()
        stored = [item["Key"] for item in s3.list_objects_v2(Bucket="flights-artifacts").get("Contents", [])]
    assert [key for key in stored if key.startswith("mlflow/") and key.endswith("notes/hello.txt")] == stored
    recorded = postgres.query("mlflow", "mlflow", PASSWORDS["tracking"], "SELECT key, value FROM metrics")
    assert recorded.stdout.strip() == "auc|0.9"
    assert not any(secret in log.read_text() for secret in (*PASSWORDS.values(), keys["AWS_SECRET_ACCESS_KEY"]))


def variables(container, keys):
    """A container's variables, with the store's keys in place of the references to them."""
    return {
        v["name"]: v.get("value", keys.get(v["name"], ""))
        for v in container["env"]
        if v["name"] not in {"HOME", "PGPASSWORD"}
    }


def command(container, made, postgres, port):
    """What a container runs, with this machine's addresses in place of the cluster's."""
    program = {"python": made.python, "mlflow": str(Path(made.python).with_name("mlflow"))}
    parts = [program.get(part, part) for part in container["command"]] + container["args"]
    here = [part.replace("database.flights-prod.svc:5432", f"127.0.0.1:{postgres.port}") for part in parts]
    return [{"--host=0.0.0.0": "--host=127.0.0.1", "--port=5000": f"--port={port}"}.get(part, part) for part in here]


@contextlib.contextmanager
def server(arguments, environment, output):
    process = subprocess.Popen(arguments, env=environment, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(timeout=60) == 0


def wait(url, log, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.5)
    pytest.fail(f"no answer from {url} in {seconds} s:\n{log.read_text()}")


def status(port, host):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search?max_results=1", headers={"Host": host}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
