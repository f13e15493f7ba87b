"""The resources that the local target declares, recorded without an engine."""

import dataclasses
import re
import sys
from pathlib import Path

import pulumi
import pytest

from mlops_platform import contract, settings, targets
from mlops_platform.components import programs
from mlops_platform.errors import PlatformError

PLACE = "/configured/home"
PROMISED = {
    "s3_endpoint", "s3_region", "data_bucket", "artifact_bucket", "s3_access_key", "s3_secret_key", "registry",
    "mlflow_tracking_uri", "kfp_host", "namespace", "kubeconfig", "ci_role", "prometheus_url", "grafana_url",
    "expires_at",
}  # fmt: skip


class Recorder(pulumi.runtime.Mocks):
    """Gives outputs that no input has: where one appears as an input, it came from that resource."""

    def __init__(self):
        self.resources = {}

    def new_resource(self, args):
        self.resources[args.name] = args
        outputs = {
            "home": {"path": "/made/home"},
            "store-credentials": {"access_key": "AK-made", "secret_key": "SK-made"},
            "store": {"url": "http://store-made"},
            "mlflow": {"url": "http://mlflow-made"},
            "data": {"bucket": "made-data"},
            "artifacts": {"bucket": "made-artifacts"},
        }
        return f"{args.name}-id", {**args.inputs, **outputs.get(args.name, {})}

    def call(self, _args):
        return {}


@dataclasses.dataclass
class Graph:
    resources: dict
    outputs: dict
    secrets: set

    def inputs(self, name):
        return self.resources[name].inputs


@pytest.fixture
def deploy(monkeypatch):
    monkeypatch.setattr(programs, "find_program", lambda name, _package: f"/tools/{name}")
    monkeypatch.setattr("mlops_platform.components.object_store.find_program", programs.find_program)
    monkeypatch.setattr("mlops_platform.components.tracking.require_module", lambda *_: None)

    def run(**changes):
        mocks, exported, graph = Recorder(), {}, Graph({}, {}, set())
        pulumi.runtime.set_mocks(mocks, project="mlops-platform", stack="dev", preview=False)
        monkeypatch.setattr(pulumi, "export", exported.__setitem__)
        chosen = settings.Settings("dev", "local", "flights", Path(PLACE), 0, 0)

        @pulumi.runtime.test
        def program():
            contract.export(targets.build(dataclasses.replace(chosen, **changes)))
            return collect()

        async def collect():
            for name, value in exported.items():
                output = pulumi.Output.from_input(value)
                graph.outputs[name] = await output.future()
                if await output.is_secret():
                    graph.secrets.add(name)

        program()
        graph.resources = mocks.resources
        return graph

    return run


def test_every_output_of_the_contract_is_exported_and_no_other(deploy):
    assert set(deploy().outputs) == PROMISED


def test_the_local_target_fills_what_it_has_and_leaves_the_rest_empty(deploy):
    assert {name: value for name, value in deploy().outputs.items() if value} == {
        "s3_endpoint": "http://store-made",
        "s3_region": "us-east-1",
        "data_bucket": "made-data",
        "artifact_bucket": "made-artifacts",
        "s3_access_key": "AK-made",
        "s3_secret_key": "SK-made",
        "mlflow_tracking_uri": "http://mlflow-made",
    }


def test_credentials_are_secrets_and_addresses_are_not(deploy):
    assert deploy().secrets == {"s3_access_key", "s3_secret_key", "kubeconfig"}


def test_no_resource_beside_those_that_are_meant_to_be(deploy):
    types = {name: resource.typ.rsplit(":", 1)[-1] for name, resource in deploy().resources.items()}
    assert types == {
        "object-store": "ObjectStore", "tracking": "Tracking", "home": "Home", "store-credentials": "Credentials",
        "store": "Process", "data": "Bucket", "artifacts": "Bucket", "mlflow": "Process",
    }  # fmt: skip


def test_processes_live_in_the_folder_that_home_has_made(deploy):
    graph = deploy()
    assert graph.inputs("home")["path"] == PLACE
    assert graph.inputs("store")["home"] == graph.inputs("mlflow")["home"] == "/made/home"


def test_buckets_wait_for_the_store_and_have_its_credentials(deploy):
    graph = deploy()
    for purpose in ("data", "artifacts"):
        inputs = graph.inputs(purpose)
        assert inputs["endpoint"] == "http://store-made"
        assert (inputs["access_key"], inputs["secret_key"]) == ("AK-made", "SK-made")
        assert inputs["bucket"] == f"flights-dev-{purpose}"
        assert graph.inputs(inputs["store"])["name"] == inputs["store"]


def test_mlflow_keeps_artifacts_in_the_bucket_and_is_the_only_one_with_its_keys(deploy):
    graph = deploy()
    command, environment = graph.inputs("mlflow")["command"], graph.inputs("mlflow")["environment"]
    environment = environment.get("value", environment)
    assert "--artifacts-destination=s3://made-artifacts/mlflow" in command
    assert environment["MLFLOW_S3_ENDPOINT_URL"] == "http://store-made"
    assert environment["AWS_SECRET_ACCESS_KEY"] == "SK-made"
    assert not any("SK-made" in str(argument) for argument in command)


@pytest.mark.parametrize("name", ["store", "mlflow"])
def test_everything_listens_on_loopback_alone_and_reports_to_nobody(deploy, name):
    inputs = deploy().inputs(name)
    text = " ".join(inputs["command"])
    assert re.findall(r"-(?:ip|ip\.bind|host)=(\S+)", text) in (["127.0.0.1"], ["127.0.0.1"] * 2)
    assert "-master.telemetry=false" in text or "MLFLOW_DISABLE_TELEMETRY" in str(inputs["environment"])
    assert all(f"{{port.{port}}}" in text for port in [*inputs["requested_ports"], *inputs["fixed_distances"]])


def test_the_store_is_not_called_ready_before_its_volumes_are_there(deploy):
    # Its S3 API answers up to five seconds earlier after a restart, with errors for the objects.
    assert {"port": "master", "path": "/dir/status", "text": '"PublicUrl"'} in deploy().inputs("store")["ready"]


def test_configured_ports_are_asked_for_and_all_others_are_free_ones(deploy):
    graph = deploy(s3_port=9000, mlflow_port=5000)
    assert {key: port for key, port in graph.inputs("store")["requested_ports"].items() if port} == {"http": 9000}
    assert graph.inputs("mlflow")["requested_ports"] == {"http": 5000}


def test_mlflow_runs_in_the_python_of_the_program(deploy):
    assert deploy().inputs("mlflow")["command"][0] == sys.executable


def test_a_missing_program_is_named_with_its_package(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs.sysconfig, "get_path", lambda _: str(tmp_path / "scripts"))
    with pytest.raises(PlatformError, match=r"weed is neither in .*scripts nor on PATH\n.*package is seedbed-weed"):
        programs.find_program("weed", "seedbed-weed")


def test_a_missing_module_is_named():
    with pytest.raises(PlatformError, match="The Python module no_such_module is not in"):
        programs.require_module("no_such_module", "no-such-package")
