"""`seedbed forward` into a cluster on AWS: a real API server and kubectl, and an AWS CLI that hands out its tokens.

kwok answers for the kubelet and carries the connection to a server of this test; EKS alone is made up.
"""

import base64
import json
import os
import shlex
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from tests.cluster import control_plane, programs
from tests.cluster.api import wait
from tests.cluster.fixtures import cluster  # noqa: F401 - a fixture

from seedbed.cli import forward
from seedbed.environments import operations
from seedbed.errors import InfrastructureError

NAMESPACE = "forward-test-prod"
NODE = "node-with-a-kubelet"
CLUSTER = "forward-test-prod"
SPEC = """
[project]
name = "Forward Test"
[data]
source = "x"
target = "y"
[data.features]
x = "number"
[environments.prod]
target = "aws"
account = "123456789012"
region = "eu-west-1"
"""
WORDS = b"from within the cluster"
# What a person runs: it reaches the service at the address that it is given.
ASKING = """
import os, pathlib, urllib.request
with urllib.request.urlopen(os.environ["MLFLOW_TRACKING_URI"], timeout=20) as answer:
    pathlib.Path("answer").write_text(answer.read().decode())
"""


@pytest.fixture
def service(cluster, tmp_path):  # noqa: F811
    """A Service of the cluster, whose pod is a server on this machine."""
    if not cluster.simulated:
        pytest.skip("makes a node of its own, which is for a cluster that the tests have started")

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(WORDS)))  # kwok keeps connections open
            self.end_headers()
            self.wfile.write(WORDS)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (port,) = control_plane._free_ports(1)
    log = tmp_path / "kwok.log"
    with control_plane._process(_kubelet(cluster, port, server.server_port, tmp_path), log) as process:
        control_plane._until(
            lambda: control_plane._alive(process, "kwok", log),
            lambda: control_plane._answers(f"http://127.0.0.1:{port}/healthz"),
        )
        for content in _objects(port):
            cluster.api.apply(content)
        wait(lambda: cluster.api.get("v1", "Pod", "tracking", NAMESPACE)["status"].get("phase") == "Running")
        yield
    server.shutdown()
    server.server_close()
    for kind, name, namespace in (("Pod", "tracking", NAMESPACE), ("Namespace", NAMESPACE, None), ("Node", NODE, None)):
        cluster.api.delete(cluster.api.path("v1", kind, name, *([namespace] if namespace else [])))


def _kubelet(cluster, port, target, folder):  # noqa: F811
    """A kwok that manages no node, and only serves what kubelets do."""
    forwards = {
        "apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "ClusterPortForward", "metadata": {"name": "all"},
        "spec": {"forwards": [{"target": {"address": "127.0.0.1", "port": target}}]},
    }  # fmt: skip
    config = folder / "kwok.yaml"
    config.write_text(yaml.safe_dump(forwards))
    authority = Path(_place(cluster)["certificate-authority"])
    return [
        str(programs.folder() / "kwok"), "--kubeconfig", str(cluster.kubeconfig),
        "--manage-nodes-with-label-selector=of=nobody", f"--server-address=127.0.0.1:{port}", f"--config={config}",
        f"--config={programs.folder() / 'stages' / 'pod-fast-pod-ready.yaml'}",  # it doesn't start without any
        f"--tls-cert-file={authority}", f"--tls-private-key-file={authority.with_suffix('.key')}",
    ]  # fmt: skip


def _objects(port):
    labels = {"app": "tracking"}
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    yield {
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE},
        "status": {
            "addresses": [{"type": kind, "address": "127.0.0.1"} for kind in ("InternalIP", "Hostname")],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        },
    }  # fmt: skip
    ports = [{"name": "http", "port": 5000}]
    metadata = {"name": "tracking", "namespace": NAMESPACE, "labels": labels}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": labels, "ports": ports}}
    container = {"name": "c", "image": "example.com/tracking:1", "ports": [{"containerPort": 5000}]}
    spec = {"nodeName": NODE, "automountServiceAccountToken": False, "containers": [container]}
    yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _place(cluster):  # noqa: F811
    whole = yaml.safe_load(cluster.kubeconfig.read_text())
    return whole["clusters"][0]["cluster"]


@pytest.fixture
def person(cluster, tmp_path, monkeypatch):  # noqa: F811
    """A person in a project whose environment `prod` is on AWS, with an AWS CLI and no kubeconfig of their own."""
    place = _place(cluster)
    authority = base64.b64encode(Path(place["certificate-authority"]).read_bytes()).decode()
    (tmp_path / "seedbed.toml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "kubectl").symlink_to(cluster.kubectl)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    outputs = {
        "kubeconfig": _own_kubeconfig(place["server"], authority), "namespace": NAMESPACE,
        "mlflow_tracking_uri": f"http://tracking.{NAMESPACE}.svc:5000", "data_bucket": "forward-test-prod-data",
    }  # fmt: skip
    monkeypatch.setattr(operations, "outputs", lambda *_: outputs)

    def forwarded(token):
        credential = {
            "apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": {"token": token},
        }  # fmt: skip
        (tools / "aws").write_text(
            f'#!/bin/sh\necho "$*" > {shlex.quote(str(tmp_path))}/asked\necho {shlex.quote(json.dumps(credential))}\n'
        )
        (tools / "aws").chmod(0o755)
        command = ["prod", sys.executable, "-c", ASKING]
        return CliRunner().invoke(forward.command, command, standalone_mode=False)

    return forwarded


def _own_kubeconfig(server, authority):
    """The output of an environment, as the Pulumi program makes it."""
    script = "import sys; from mlops_platform.components.aws import eks; print(eks._kubeconfig(*sys.argv[1:3], name=sys.argv[3], region='eu-west-1'))"
    infra = Path(__file__).resolve().parents[2] / "infra"
    made = subprocess.run(
        [sys.executable, "-c", script, server, authority, CLUSTER],
        cwd=infra, capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    return made.stdout


def test_a_command_reaches_a_service_of_the_cluster_as_whom_the_aws_cli_says(cluster, service, person, tmp_path):  # noqa: F811
    whole = yaml.safe_load(cluster.kubeconfig.read_text())
    done = person(whole["users"][0]["user"]["token"])
    assert done.exception is None, done.output
    assert done.return_value == 0
    assert (tmp_path / "answer").read_text() == WORDS.decode()
    asked = (tmp_path / "asked").read_text().split()
    assert asked[:4] == ["eks", "get-token", "--cluster-name", CLUSTER]
    assert not list(tmp_path.glob("*.kubeconfig"))


def test_somebody_whom_the_cluster_doesnt_know_is_told_who_it_knows(person, tmp_path):
    refused = person("nobody's").exception
    assert isinstance(refused, InfrastructureError)
    assert "tracking" in refused.message
    assert "cluster_admins" in refused.hint
    assert not (tmp_path / "answer").exists()
    assert not list(tmp_path.glob("*.kubeconfig"))
