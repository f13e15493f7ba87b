"""The resources that the local target declares, recorded without an engine."""

import dataclasses
import re
import sys
from pathlib import Path

import pulumi
import pytest

from mlops_platform import contract, settings, targets
from mlops_platform.components.local import container_registry, minio, programs, seaweedfs
from mlops_platform.errors import PlatformError
from mlops_platform.settings import StoreSettings

PLACE = "/configured/home"
PROMISED = {
    "s3_endpoint", "s3_region", "data_bucket", "artifact_bucket", "s3_access_key", "s3_secret_key", "registry", "registry_username", "registry_password",
    "mlflow_tracking_uri", "kfp_host", "pipeline_volume", "namespace", "kubeconfig", "ci_role", "preview_role", "apply_role", "prometheus_url", "grafana_url",
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
            "store-identity": {"value": "identity-made"},
            "registry": {"url": "http://registry-made"},
        }
        return f"{args.name}-id", {**args.inputs, **outputs.get(args.name, {})}

    def call(self, _args):
        return {}


@dataclasses.dataclass
class Graph:
    resources: dict
    outputs: dict
    secrets: set
    warnings: list

    def inputs(self, name):
        return self.resources[name].inputs


@pytest.fixture
def deploy(monkeypatch):
    monkeypatch.setattr(seaweedfs, "find_program", lambda name, _package: f"/tools/{name}")
    monkeypatch.setattr("mlops_platform.components.local.tracking.require_module", lambda *_: None)
    for module in (minio, container_registry):
        monkeypatch.setattr(module, "find_installed", lambda name, *_, **__: f"/tools/{name}")
        monkeypatch.setattr(module, "reported_version", lambda program, expect: f"{program} of {expect}")
    warnings = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)

    def run(**changes):
        mocks, exported, graph = Recorder(), {}, Graph({}, {}, set(), warnings)
        pulumi.runtime.set_mocks(mocks, project="mlops-platform", stack="dev", preview=False)
        monkeypatch.setattr(pulumi, "export", exported.__setitem__)
        chosen = settings.Settings(stack="dev", target="local", project="flights", home=Path(PLACE))

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
        "registry": "registry-made",
        "mlflow_tracking_uri": "http://mlflow-made",
    }


def test_credentials_are_secrets_and_addresses_are_not(deploy):
    assert deploy().secrets == {"s3_access_key", "s3_secret_key", "registry_password", "kubeconfig"}


def test_no_resource_beside_those_that_are_meant_to_be(deploy):
    types = {name: resource.typ.rsplit(":", 1)[-1] for name, resource in deploy().resources.items()}
    assert types == {
        "object-store": "ObjectStore", "tracking": "Tracking", "home": "Home", "store-credentials": "Credentials",
        "store": "Process", "data": "Bucket", "artifacts": "Bucket", "mlflow": "Process",
        "container-registry": "ContainerRegistry", "registry": "Process",
    }  # fmt: skip


def test_processes_live_in_the_folder_that_home_has_made(deploy):
    graph = deploy()
    assert graph.inputs("home")["path"] == PLACE
    assert graph.inputs("store")["home"] == graph.inputs("mlflow")["home"] == "/made/home"
    assert graph.inputs("registry")["home"] == "/made/home"


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
    assert environment["AWS_ENDPOINT_URL"] == "http://store-made"
    assert environment["AWS_SECRET_ACCESS_KEY"] == "SK-made"
    assert not any("SK-made" in str(argument) for argument in command)


@pytest.mark.parametrize(
    ("name", "store", "silence"),
    [
        ("store", "seaweedfs", "-master.telemetry=false"),
        ("store", "minio", "'MINIO_UPDATE': 'off'"),
        ("mlflow", "seaweedfs", "'MLFLOW_DISABLE_TELEMETRY': 'true'"),
        ("registry", "seaweedfs", "'OTEL_TRACES_EXPORTER': 'none'"),
    ],
)
def test_everything_listens_on_loopback_alone_and_reports_to_nobody(deploy, name, store, silence):
    inputs = deploy(store=StoreSettings(kind=store)).inputs(name)
    text = " ".join(inputs["command"]) + str(inputs["environment"])
    addresses = re.findall(r"(?:-ip=|-ip\.bind=|-host=|-address=|_ADDR': ')([^\s:']+)", text)
    assert set(addresses) == {"127.0.0.1"}
    assert silence in text
    assert all(f"{{port.{port}}}" in text for port in [*inputs["requested_ports"], *inputs["fixed_distances"]])


def test_the_store_is_not_called_ready_before_its_volumes_are_there(deploy):
    # Its S3 API answers up to five seconds earlier after a restart, with errors for the objects.
    assert {"port": "master", "path": "/dir/status", "text": '"PublicUrl"'} in deploy().inputs("store")["ready"]


def test_configured_ports_are_asked_for_and_all_others_are_free_ones(deploy):
    graph = deploy(store=StoreSettings(port=9000), mlflow_port=5000, registry_port=5001)
    assert {key: port for key, port in graph.inputs("store")["requested_ports"].items() if port} == {"http": 9000}
    assert graph.inputs("mlflow")["requested_ports"] == {"http": 5000}
    assert graph.inputs("registry")["requested_ports"] == {"http": 5001}


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


def test_without_tracking_mlflow_is_neither_run_nor_needed(deploy, monkeypatch):
    monkeypatch.setattr("mlops_platform.components.local.tracking.require_module", programs.require_module)
    monkeypatch.setattr(programs.importlib.util, "find_spec", lambda _: None)
    graph = deploy(tracking=False)
    assert not {"mlflow", "tracking"} & set(graph.resources)
    assert graph.outputs["mlflow_tracking_uri"] == ""
    assert graph.outputs["s3_endpoint"] == "http://store-made"


def test_minio_serves_the_same_store(deploy):
    graph = deploy(store=StoreSettings(kind="minio", port=9000))
    inputs = graph.inputs("store")
    environment = inputs["environment"].get("value", inputs["environment"])
    assert inputs["command"][0] == "/tools/minio"
    assert (environment["MINIO_ROOT_USER"], environment["MINIO_ROOT_PASSWORD"]) == ("AK-made", "SK-made")
    assert inputs["requested_ports"] == {"http": 9000}
    assert inputs["version"] == "/tools/minio of minio", "a new version shall restart it"
    assert graph.outputs["data_bucket"] == "made-data"
    assert graph.inputs("home")["store"] == "minio"


def test_without_minio_the_way_out_is_told(deploy, monkeypatch):
    monkeypatch.setattr(minio, "find_installed", lambda *_, **__: None)
    with pytest.raises(PlatformError, match=r"store is minio, and there is no program of that name on PATH\n.*MINIO="):
        deploy(store=StoreSettings(kind="minio"))


@pytest.fixture
def keys(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AK-given")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SK-given")


def test_a_store_elsewhere_has_no_process_and_the_keys_of_the_environment(deploy, keys):
    graph = deploy(store=StoreSettings(kind="s3", endpoint="https://s3.acme", region="eu-1", data_bucket="acme"))
    assert not {"store", "store-credentials"} & set(graph.resources)
    assert {
        name: (graph.inputs(name)["bucket"], graph.inputs(name)["existing"], graph.inputs(name)["owner"])
        for name in ("data", "artifacts")
    } == {"data": ("acme", True, "identity-made"), "artifacts": ("flights-dev-artifacts", False, "identity-made")}
    outputs = {name: graph.outputs[name] for name in ("s3_endpoint", "s3_region", "s3_access_key", "s3_secret_key")}
    assert list(outputs.values()) == ["https://s3.acme", "eu-1", "AK-given", "SK-given"]
    assert {"s3_access_key", "s3_secret_key"} <= graph.secrets


def test_mlflow_takes_the_same_way_to_a_store_elsewhere(deploy, keys, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.acme:3128")
    environment = deploy(store=StoreSettings(kind="s3", region="eu-1")).inputs("mlflow")["environment"]
    environment = environment.get("value", environment)
    assert environment["HTTPS_PROXY"] == "http://proxy.acme:3128"
    assert environment["AWS_DEFAULT_REGION"] == "eu-1"
    assert "AWS_ENDPOINT_URL" not in environment, "AWS itself has no address to be told"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("AWS_SECRET_ACCESS_KEY", "", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set"),
        ("AWS_SESSION_TOKEN", "token", "AWS_SESSION_TOKEN is set: these keys end within hours"),
    ],
)
def test_keys_that_wont_do_are_refused(deploy, keys, monkeypatch, name, value, message):
    monkeypatch.setenv(name, value)
    with pytest.raises(PlatformError, match=message):
        deploy(store=StoreSettings(kind="s3"))


def test_without_its_program_the_registry_is_left_out_with_a_word(deploy, monkeypatch):
    monkeypatch.setattr(container_registry, "find_installed", lambda *_: None)
    graph = deploy()
    assert not {"registry", "container-registry"} & set(graph.resources)
    assert graph.outputs["registry"] == ""
    assert ["docker-registry" in warning for warning in graph.warnings] == [True]


def test_a_registry_with_images_is_not_dropped_because_its_program_is_gone(deploy, monkeypatch, tmp_path):
    monkeypatch.setattr(container_registry, "find_installed", lambda *_: None)
    (tmp_path / "registry").mkdir()
    with pytest.raises(PlatformError, match="has a container registry in .*, and its program is no longer on PATH"):
        deploy(home=tmp_path)


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_program_is_the_one_that_is_named_or_the_first_on_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert programs.find_installed("one", "two") is None
    two = script(tmp_path / "two", "exit 0")
    assert programs.find_installed("one", "two") == two
    one = script(tmp_path / "one", "exit 0")
    assert programs.find_installed("one", "two", variable="MINIO") == one
    monkeypatch.setenv("MINIO", two)
    assert programs.find_installed("one", variable="MINIO") == two
    monkeypatch.setenv("MINIO", str(tmp_path / "none"))
    with pytest.raises(PlatformError, match="MINIO says .*none, and no program is there"):
        programs.find_installed("one", variable="MINIO")


def test_a_program_is_known_by_what_it_calls_itself(tmp_path):
    registry = script(tmp_path / "registry", "echo registry github.com/distribution/distribution/v3 3.0.0; echo more")
    assert programs.reported_version(registry, expect="distribution") == (
        "registry github.com/distribution/distribution/v3 3.0.0"
    )
    with pytest.raises(PlatformError, match="is not what was looked for: it calls itself 'npm registry'"):
        programs.reported_version(script(tmp_path / "other", "echo npm registry"), expect="distribution")
    with pytest.raises(PlatformError, match="doesn't tell its version"):
        programs.reported_version(script(tmp_path / "broken", "exit 3"), expect="distribution")
