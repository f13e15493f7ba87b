import os
import subprocess
import sys
import textwrap
from fnmatch import fnmatch
from pathlib import Path

import pytest
from tests.infra.kubernetes.stores import FakeStore, environment

MIGRATION = Path(__file__).parents[3] / "infra/mlops_platform/components/kubernetes/tracking_migration.py"


@pytest.fixture
def declared(on_cluster):
    def run(endpoint="http://store.flights-prod.svc:9000", authority=None, api_host="api.example.com:6443", **values):
        def declare(cluster):
            from mlops_platform.components.kubernetes.tracking import Tracking

            store = FakeStore(endpoint, authority)
            made = Tracking("tracking", cluster=cluster, namespace="flights-prod", store=store, api_host=api_host)
            return {"url": made.url}

        return on_cluster(declare, **values)

    return run


def pod(recorded):
    return recorded.find("Deployment", "tracking")["spec"]["template"]["spec"]


def server(recorded):
    return pod(recorded)["containers"][0]


def option(recorded, name):
    (value,) = [a.removeprefix(f"--{name}=") for a in server(recorded)["args"] if a.startswith(f"--{name}=")]
    return value


def test_its_url_is_that_of_the_service(declared):
    recorded = declared()
    assert recorded.outputs == {"url": "http://tracking.flights-prod.svc:5000"}
    service = recorded.find("Service", "tracking")["spec"]
    assert service["ports"][0]["port"] == 5000
    labels = recorded.find("Deployment", "tracking")["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()


def test_runs_are_in_the_database_and_artifacts_in_the_store(declared):
    recorded = declared()
    assert option(recorded, "backend-store-uri") == (
        "postgresql+psycopg2://mlflow@database.flights-prod.svc:5432/mlflow"
    )
    assert option(recorded, "artifacts-destination") == "s3://flights-artifacts/mlflow"


def test_secrets_come_from_secrets(declared):
    """A command line is read by anyone who may look at a pod, and so is a variable that is written out."""
    recorded = declared()
    variables = environment(server(recorded))
    assert variables["PGPASSWORD"] == "database/tracking"
    assert variables["AWS_ACCESS_KEY_ID"] == "tracking-store/AWS_ACCESS_KEY_ID"
    assert recorded.find("Secret", "tracking-store")["stringData"] == {
        "AWS_ACCESS_KEY_ID": "tracking-id",
        "AWS_SECRET_ACCESS_KEY": "tracking-secret",
    }
    assert "tracking-secret" not in str([o for o in recorded.objects if o["kind"] != "Secret"])


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("tracking:5000", True),
        ("tracking.flights-prod:5000", True),
        ("tracking.flights-prod.svc:5000", True),
        ("tracking.flights-prod.svc.cluster.local:5000", True),
        ("127.0.0.1:43210", True),  # a port-forward
        ("localhost:8080", True),
        ("api.example.com:6443", True),  # CI, whose requests the API server passes on under its own name
        ("tracking.flights-prod.svc.evil.example:5000", False),
        ("evil.example", False),
        ("10.1.2.3:5000", False),
    ],
)
def test_it_answers_to_its_own_names_only(declared, host, allowed):
    """As MLflow compares them; against web pages that point a name of their own at it."""
    patterns = option(declared(), "allowed-hosts").split(",")
    assert any(fnmatch(host, pattern) for pattern in patterns) is allowed


def test_on_eks_the_api_server_s_name_is_known_by_its_region(declared):
    on_aws = {"target": "aws", "account": "123456789012", "region": "eu-west-1", "context": ""}
    patterns = option(declared(api_host="", **on_aws), "allowed-hosts").split(",")
    for host, allowed in {
        "0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com": True,
        "0123456789ABCDEF.gr7.us-east-1.eks.amazonaws.com": False,
        "eu-west-1.eks.amazonaws.com.evil.example": False,
    }.items():
        assert any(fnmatch(host, pattern) for pattern in patterns) is allowed, host


@pytest.mark.parametrize(("size", "replicas", "workers"), [("small", 1, 1), ("standard", 1, 3), ("ha", 2, 3)])
def test_there_are_as_many_workers_as_its_memory_holds(declared, size, replicas, workers):
    recorded = declared(size=size)
    assert recorded.find("Deployment", "tracking")["spec"]["replicas"] == replicas
    assert option(recorded, "workers") == str(workers)


@pytest.mark.parametrize(("size", "budgets"), [("small", 0), ("standard", 0), ("ha", 1)])
def test_only_what_has_several_pods_has_a_disruption_budget(declared, size, budgets):
    assert len(declared(size=size).all("PodDisruptionBudget")) == budgets


def test_the_old_server_answers_until_the_new_one_does(declared):
    update = declared().find("Deployment", "tracking")["spec"]["strategy"]["rollingUpdate"]
    assert (update["maxUnavailable"], update["maxSurge"]) == (0, 1)


def test_probes_are_exempt_from_the_check_of_names(declared):
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert server(declared())[probe]["httpGet"] == {"path": "/health", "port": "http"}


def test_tables_are_migrated_before_the_server_starts(declared):
    (migration,) = pod(declared())["initContainers"]
    assert migration["command"] == ["python", "-c", MIGRATION.read_text()]
    assert migration["args"] == ["postgresql://mlflow@database.flights-prod.svc:5432/mlflow"]
    assert environment(migration)["PGPASSWORD"] == "database/tracking"
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} & environment(migration).keys()


def test_it_keeps_nothing_and_tells_nobody(declared):
    recorded = declared()
    variables = environment(server(recorded))
    assert variables["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert variables["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert pod(recorded)["automountServiceAccountToken"] is False
    assert [mount["mountPath"] for mount in server(recorded)["volumeMounts"]] == ["/tmp"]  # noqa: S108
    for one in [*pod(recorded)["containers"], *pod(recorded)["initContainers"]]:
        assert one["securityContext"]["readOnlyRootFilesystem"] is True


def test_a_store_with_an_authority_of_its_own_is_trusted_by_it_alone(declared):
    recorded = declared(authority="-----BEGIN CERTIFICATE-----")
    bundle = environment(server(recorded))["AWS_CA_BUNDLE"]
    mounts = {mount["mountPath"]: mount["name"] for mount in server(recorded)["volumeMounts"]}
    volume = next(v for v in pod(recorded)["volumes"] if v["name"] == mounts[os.path.dirname(bundle)])
    files = recorded.find("ConfigMap", volume["configMap"]["name"])["data"]
    assert files == {os.path.basename(bundle): "-----BEGIN CERTIFICATE-----"}


def test_without_an_endpoint_it_is_aws(declared):
    assert "AWS_ENDPOINT_URL" not in environment(server(declared(endpoint="")))
    assert environment(server(declared()))["AWS_ENDPOINT_URL"] == "http://store.flights-prod.svc:9000"


@pytest.fixture
def migrate(tmp_path):
    """Run the migration against stand-ins that write down what is done; gives its exit code and the list."""
    (tmp_path / "psycopg2.py").write_text(
        textwrap.dedent("""
        import os
        def note(text):
            with open(os.environ["NOTES"], "a") as notes:
                notes.write(text + "\\n")
        class Cursor:
            def __enter__(self): return self
            def __exit__(self, *_): pass
            def execute(self, statement, values): note(statement.split("(")[0])
        class Connection:
            cursor = staticmethod(Cursor)
            def close(self): note("closed")
        def connect(address):
            note(f"connected to {address}")
            return Connection()
        """)
    )
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow/__main__.py").write_text(
        "import os, sys, psycopg2\npsycopg2.note(' '.join(sys.argv[1:]))\nsys.exit(int(os.environ['CODE']))\n"
    )

    def run(code):
        notes = tmp_path / "notes"
        env = {**os.environ, "PYTHONPATH": str(tmp_path), "NOTES": str(notes), "CODE": str(code)}
        command = [sys.executable, "-c", MIGRATION.read_text(), "postgresql://mlflow@database/mlflow"]
        done = subprocess.run(command, env=env, check=False)
        return done.returncode, notes.read_text().splitlines()

    return run


@pytest.mark.parametrize("code", [0, 1])
def test_a_migration_holds_the_lock_and_ends_as_mlflow_ends(migrate, code):
    assert migrate(code) == (
        code,
        [
            "connected to postgresql://mlflow@database/mlflow",
            "SELECT pg_advisory_lock",
            "db upgrade postgresql+psycopg2://mlflow@database/mlflow",
            "closed",
        ],
    )
