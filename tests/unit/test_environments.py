import os
import subprocess
import sys

import pytest
from tests.conftest import ROOT

from seedbed import spec as specs
from seedbed.environments import inventory, stack_config, variables
from seedbed.environments.events import Recorder
from seedbed.errors import SpecError

SPEC = {
    "project": {"name": "Flight Delays"},
    "data": {"source": "x", "target": "y", "features": {"x": "number"}},
    "environments": {"dev": {"s3_port": 9000}, "demo": {}},
}


def test_stack_configuration_follows_the_spec():
    spec = specs.parse(SPEC)
    assert stack_config.stack_config(spec, "dev") == {
        "mlops-platform:target": "local",
        "mlops-platform:project": "flight-delays",
        "mlops-platform:s3Port": "9000",
    }
    assert "s3Port" not in stack_config.stack_file(spec, "demo", {})
    assert "store" not in stack_config.stack_file(spec, "demo", {})
    shared = {"store": "s3", "s3_endpoint": "https://s3.acme", "data_bucket": "acme", "registry_port": 5000}
    assert stack_config.stack_config(specs.parse({**SPEC, "environments": {"shared": shared}}), "shared") == {
        "mlops-platform:target": "local",
        "mlops-platform:project": "flight-delays",
        "mlops-platform:store": "s3",
        "mlops-platform:s3Endpoint": "https://s3.acme",
        "mlops-platform:dataBucket": "acme",
        "mlops-platform:registryPort": "5000",
    }
    with pytest.raises(SpecError, match="no environment 'prod'"):
        stack_config.stack_config(spec, "prod")


def test_without_tracking_the_environment_has_no_tracking_server():
    spec = specs.parse({**SPEC, "choices": {"tracking": False}})
    assert stack_config.stack_config(spec, "demo")["mlops-platform:tracking"] == "false"


def test_a_cluster_is_told_what_the_project_has():
    environment = {"target": "kubernetes", "context": "kind", "store": "seaweedfs", "store_tls": "true", "size": "ha"}
    choices = {"serving": "none", "monitoring": False}
    project = {**SPEC["project"], "registry": "ghcr.io/acme"}
    spec = specs.parse({**SPEC, "project": project, "choices": choices, "environments": {"prod": environment}})
    told = stack_config.stack_config(spec, "prod")
    expected = {
        "target": "kubernetes", "context": "kind", "store": "seaweedfs", "storeTls": "true", "size": "ha",
        "serving": "false", "monitoring": "false", "registry": "ghcr.io/acme", "package": spec.package,
        "project": spec.slug,
    }  # fmt: skip
    assert told == {f"mlops-platform:{key}": value for key, value in expected.items()}


def test_the_program_knows_every_key_that_it_is_told():
    import yaml

    declared = yaml.safe_load((ROOT / "infra/Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    assert {key.partition(":")[2] for key in stack_config.CONFIG_KEYS} <= set(declared)


def test_variables_carry_every_output_that_is_set():
    outputs = dict.fromkeys(variables.VARIABLES, "") | {"s3_endpoint": "http://127.0.0.1:1", "s3_region": "eu"}
    assert variables.from_outputs(outputs) == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_REGION": "eu",
        "AWS_DEFAULT_REGION": "eu",
    }


HOSTILE = "a b'c\"d$(id)`id`\\ #x"


def test_shell_lines_survive_a_shell():
    (line,) = variables.lines({"X": HOSTILE}, "shell")
    result = subprocess.run(["sh", "-c", f'{line}\nprintf %s "$X"'], capture_output=True, text=True, check=True)
    assert result.stdout == HOSTILE


def test_dotenv_lines_quote_what_needs_it():
    assert list(variables.lines({"X": "plain", "Y": 'a "b"'}, "dotenv")) == ["X=plain", 'Y="a \\"b\\""']


@pytest.fixture
def marked(tmp_path):
    """A process that carries the mark of an environment in tmp_path."""
    environment = {**os.environ, inventory.HOME_VARIABLE: str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); import time; time.sleep(60)"],
        env=environment,
        stdout=subprocess.PIPE,
    )
    process.stdout.readline()
    process.stdout.close()
    yield process
    process.kill()
    process.wait()


def test_inventory_finds_what_the_state_did_not_know(tmp_path, marked):
    found = inventory.take(tmp_path, [])
    assert any(str(marked.pid) in leftover for leftover in found.leftovers)
    assert any(str(tmp_path) in leftover for leftover in found.leftovers)


def test_inventory_finds_an_open_port(tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = inventory.take(tmp_path / "gone", [{"outputs": {"port": float(port), "pid": 1, "bucket": "b"}}])
    assert found.leftovers == [f"port {port} on 127.0.0.1 still answers"]
    assert found.checked == {"processes": 1, "ports": 1, "buckets": 1, "folders": 1}
    assert inventory.take(tmp_path / "gone", []).leftovers == []


def test_inventory_names_a_bucket_that_was_there_before_and_does_not_count_it_as_gone(tmp_path):
    resources = [{"outputs": {"bucket": "acme", "existing": True}}, {"outputs": {"bucket": "made", "existing": False}}]
    found = inventory.take(tmp_path / "gone", resources)
    assert found.kept == ["bucket acme"]
    assert found.checked["buckets"] == 1


def test_a_reused_process_number_is_not_the_process(marked):
    import psutil

    created = psutil.Process(marked.pid).create_time()
    assert inventory.is_alive(marked.pid, created)
    assert not inventory.is_alive(marked.pid, created - 100)


def event(**fields):
    from pulumi.automation import EngineEvent

    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, **fields})


URN = "urn:pulumi:dev::mlops-platform::mlops:local:ObjectStore$pulumi-python:dynamic/mlops:Process::store"


def metadata(op, urn=URN, outputs=None, *, custom=True):
    state = {
        "type": "t",
        "urn": urn,
        "custom": custom,
        "id": "x",
        "parent": "",
        "inputs": {},
        "outputs": outputs or {},
        "provider": "",
    }
    return {
        "op": op,
        "urn": urn,
        "type": "t",
        "old": None,
        "new": state,
        "keys": None,
        "diffs": None,
        "detailedDiff": None,
        "logical": True,
        "provider": "",
    }


def test_what_the_program_warns_of_is_kept_once_and_without_colours():
    recorder = Recorder("up", lambda _: None)
    for _ in range(2):
        warning = {"severity": "warning", "message": "<{%reset%}>No container registry\n<{%reset%}>", "color": "raw"}
        recorder(event(diagnosticEvent={"prefix": "<{%fg 3%}>warning: <{%reset%}>", **warning}))
    assert recorder.warnings == ["No container registry"]
    assert recorder.problems == []


def test_events_become_steps_counts_outputs_and_problems():
    steps = []
    recorder = Recorder("up", steps.append)
    recorder(event(resourcePreEvent={"metadata": metadata("create"), "planning": False}))
    recorder(event(resOutputsEvent={"metadata": metadata("create"), "planning": False}))
    component = "urn:pulumi:dev::mlops-platform::mlops:local:ObjectStore::object-store"
    recorder(event(resOutputsEvent={"metadata": metadata("create", component, custom=False), "planning": False}))
    provider = "urn:pulumi:dev::mlops-platform::pulumi:providers:pulumi-python::default"
    recorder(event(resOutputsEvent={"metadata": metadata("create", provider), "planning": False}))
    stack = "urn:pulumi:dev::mlops-platform::pulumi:pulumi:Stack::mlops-platform-dev"
    outputs = {"s3_endpoint": "http://x", "s3_secret_key": "[secret]"}
    recorder(event(resOutputsEvent={"metadata": metadata("same", stack, outputs), "planning": False}))
    problem = {
        "urn": URN,
        "prefix": "",
        "message": "<{%reset%}>port 9 is busy\n",
        "color": "never",
        "severity": "error",
        "streamID": 0,
        "ephemeral": False,
    }
    recorder(event(diagnosticEvent=problem))
    recorder(event(diagnosticEvent={**problem, "message": "update failed", "urn": stack}))
    assert [(step.name, step.kind, step.operation, step.state) for step in steps] == [
        ("store", "Process", "create", "running"),
        ("store", "Process", "create", "done"),
    ]
    assert recorder.changes == {"create": 1}
    assert recorder.outputs == {"s3_endpoint": "http://x"}
    assert recorder.problems == ["store: port 9 is busy"]
