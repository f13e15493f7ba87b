"""Reaching services of a cluster, with a kubectl that forwards to this machine: a real one needs a kubelet."""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from seedbed.environments import forwarding
from seedbed.environments.forwarding import Service
from seedbed.errors import InfrastructureError, ToolMissingError, UsageError
from seedbed.spec import Environment

OUTPUTS = {
    "s3_endpoint": "http://store.flights-prod.svc:9000",
    "mlflow_tracking_uri": "http://tracking.flights-prod.svc.cluster.local:5000",
    "kfp_host": "https://pipelines.example.com",
    "grafana_url": "http://grafana.flights-prod-monitoring.svc",
    "registry": "localhost:30500/flights",
    "namespace": "flights-prod",
    "data_bucket": "flights-prod-data",
}
KIND = ["--context", "kind"]
KUBECTL = """
import os, re, socket, sys, threading
from pathlib import Path

here = Path(sys.argv[0]).parent
(here / "called").open("a").write(" ".join(sys.argv[1:]) + "\\n")
if "--kubeconfig" in sys.argv:
    given = Path(sys.argv[sys.argv.index("--kubeconfig") + 1])
    (here / "kubeconfig").write_text(f"{given.stat().st_mode & 0o777:o} {given.read_text()}")
if "broken" in sys.argv[-2]:
    sys.exit("error: services \\"broken\\" not found")
local, _ = sys.argv[-1].split(":")
listener = socket.create_server(("127.0.0.1", int(local or 0)))
(here / "pid").write_text(str(os.getpid()))
print(f"Forwarding from 127.0.0.1:{listener.getsockname()[1]} -> 1", flush=True)

def copy(source, sink):
    while data := source.recv(65536):
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)

while True:
    one, _ = listener.accept()
    other = socket.create_connection(("127.0.0.1", int((here / "backend").read_text())))
    for pair in ((one, other), (other, one)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
"""


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"reached")

    def log_message(self, *_):
        pass


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    """A folder with the program, which a server on this machine stands behind."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    program = tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{KUBECTL}")
    program.chmod(0o755)
    (program.parent / "backend").write_text(str(server.server_port))
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    yield program.parent
    server.shutdown()
    server.server_close()


def get(url):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    connection.request("GET", "/")
    return connection.getresponse().read().decode()


def test_what_only_the_cluster_reaches_is_known_by_its_address():
    assert forwarding.services(OUTPUTS) == {
        "s3_endpoint": Service("store", "flights-prod", 9000),
        "mlflow_tracking_uri": Service("tracking", "flights-prod", 5000),
        "grafana_url": Service("grafana", "flights-prod-monitoring", 80),
        "registry": Service("registry", "flights-prod", 5000, local_port=30500),
    }


def test_addresses_lead_to_the_service_while_it_lasts(kubectl):
    outputs = {"mlflow_tracking_uri": OUTPUTS["mlflow_tracking_uri"], "kfp_host": OUTPUTS["kfp_host"]}
    with forwarding.forwarded(outputs, ["--context", "kind-flights"], print) as reachable:
        assert reachable["kfp_host"] == OUTPUTS["kfp_host"]
        assert get(reachable["mlflow_tracking_uri"]) == "reached"
    with pytest.raises(OSError, match="refused"):
        get(reachable["mlflow_tracking_uri"])
    assert (kubectl / "called").read_text() == (
        "--context kind-flights --namespace flights-prod port-forward --address 127.0.0.1 service/tracking :5000\n"
    )


def test_a_connection_that_breaks_is_made_again_at_the_same_address(kubectl):
    said = []
    with forwarding.forwarded({"s3_endpoint": OUTPUTS["s3_endpoint"]}, KIND, said.append) as reachable:
        os.kill(int((kubectl / "pid").read_text()), signal.SIGKILL)
        deadline = time.monotonic() + 20
        while True:
            try:
                assert get(reachable["s3_endpoint"]) == "reached"
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
    assert said in ([], ["The connection to store broke: connecting again"])
    assert len((kubectl / "called").read_text().splitlines()) == 1 + len(said)


def test_a_service_that_is_not_there_is_named_with_what_kubectl_says(kubectl):
    outputs = {"s3_endpoint": "http://broken.flights-prod.svc:9000"}
    with (
        pytest.raises(
            InfrastructureError, match='broken in namespace flights-prod can.t be reached: error: services "broken"'
        ),
        forwarding.forwarded(outputs, KIND, print),
    ):
        pass


def test_without_kubectl_only_what_needs_none_is_forwarded(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match="kubectl"), forwarding.forwarded(OUTPUTS, KIND, print):
        pass
    local = {"s3_endpoint": "http://127.0.0.1:9000"}
    with forwarding.forwarded(local, [], print) as reachable:
        assert reachable == local


def test_nothing_is_left_running(kubectl):
    with forwarding.forwarded({"s3_endpoint": OUTPUTS["s3_endpoint"]}, KIND, print):
        pid = int((kubectl / "pid").read_text())
        assert Path(f"/proc/{pid}").exists() or subprocess.run(["kill", "-0", str(pid)], check=False).returncode == 0
    assert subprocess.run(["kill", "-0", str(pid)], check=False, stderr=subprocess.DEVNULL).returncode


ON_AWS = Environment(target="aws", account="123456789012", region="eu-west-1", store="s3")


@pytest.fixture
def aws(kubectl):
    """An AWS CLI beside kubectl."""
    program = kubectl / "aws"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def test_a_cluster_on_aws_is_found_by_the_environments_own_kubeconfig_which_only_its_owner_reads(kubectl, aws):
    outputs = {"mlflow_tracking_uri": OUTPUTS["mlflow_tracking_uri"], "kubeconfig": "of the environment"}
    with (
        forwarding.cluster_options("prod", ON_AWS, outputs) as options,
        forwarding.forwarded(outputs, options, print) as reachable,
    ):
        assert get(reachable["mlflow_tracking_uri"]) == "reached"
        path = Path(options[1])
    assert (kubectl / "kubeconfig").read_text() == "600 of the environment"
    assert not path.exists()


def test_it_is_removed_when_what_it_is_for_fails(aws):
    with (
        pytest.raises(KeyboardInterrupt),
        forwarding.cluster_options("prod", ON_AWS, {"kubeconfig": "x"}) as options,
    ):
        raise KeyboardInterrupt
    assert not Path(options[1]).exists()


def test_a_variant_without_a_cluster_has_nothing_to_forward():
    lite = Environment(target="aws", variant="lite", store="s3")
    with (
        pytest.raises(UsageError, match=r"'prod' has no cluster \(variant lite\)") as error,
        forwarding.cluster_options("prod", lite, {"data_bucket": "x", "kubeconfig": ""}),
    ):
        pass
    assert "seedbed outputs prod" in error.value.hint


def test_without_the_aws_cli_nobody_knows_who_asks(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(ToolMissingError, match="`aws`.*'prod' who you are"),
        forwarding.cluster_options("prod", ON_AWS, {"kubeconfig": "x"}),
    ):
        pass


def test_on_other_clusters_the_persons_own_context_counts_and_on_this_machine_nothing():
    cluster = Environment(target="kubernetes", context="kind-flights")
    with forwarding.cluster_options("demo", cluster, {"kubeconfig": "of CI"}) as options:
        assert options == ["--context", "kind-flights"]
