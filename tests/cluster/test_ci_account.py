"""CI's account as CI has it: its kubeconfig, used with kubectl against a real API server."""

import json
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pulumi
import pytest
import yaml
from tests.cluster.api import wait

PLATFORM, SERVING = "flights-prod", "flights-prod-serving"
TOKEN = "/api/v1/namespaces/flights-prod/secrets/ci-token"
SECONDS = 60


@pytest.fixture
def ci(cluster, on_cluster, monkeypatch, tmp_path):
    """Run kubectl as CI does, in an environment of which nothing stays; gives the completed process."""
    if cluster.kubectl is None:
        pytest.skip("there is no kubectl")
    api = cluster.api
    objects = on_cluster(lambda found: declare(found, cluster), project="flights").objects
    objects.append(deployment("docker.io/acme/flights:1"))
    try:
        for manifest in objects:
            api.apply(manifest)
        issued = wait(lambda: (api.get_path(TOKEN) or {}).get("data"), SECONDS)
        # The program again, now with the answer of the API server that a provider would have waited for.
        monkeypatch.setattr(
            "pulumi_kubernetes.core.v1.Secret.data", property(lambda _: pulumi.Output.from_input(issued))
        )
        config = tmp_path / "ci.yaml"
        config.write_text(on_cluster(lambda found: declare(found, cluster), project="flights").outputs["kubeconfig"])

        def kubectl(*arguments):
            command = [cluster.kubectl, f"--kubeconfig={config}", f"--cache-dir={tmp_path}", *arguments]
            return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)

        kubectl.api = api
        kubectl.server = yaml.safe_load(config.read_text())["clusters"][0]["cluster"]["server"]
        yield kubectl
    finally:
        for manifest in reversed(objects):
            api.delete(api.path_of(manifest), seconds=120)


def declare(found, cluster):
    import pulumi_kubernetes as kubernetes

    from mlops_platform.components.kubernetes import kubeconfig
    from mlops_platform.components.kubernetes.access import Access
    from mlops_platform.components.kubernetes.namespaces import Namespaces

    api = kubeconfig.find(cluster.context, {"KUBECONFIG": str(cluster.kubeconfig)})
    kubeflow = kubernetes.core.v1.Namespace("kubeflow", metadata=found.metadata("kubeflow", "kubeflow"))
    namespaces = Namespaces("namespaces", cluster=found)
    access = Access("access", cluster=found, namespaces=namespaces, kubeflow=kubeflow.metadata["name"])
    return {"kubeconfig": access.kubeconfig(api)}


def deployment(image):
    labels = {"app.kubernetes.io/component": "service", "seedbed/environment": "flights.prod"}
    container = {
        "name": "service",
        "image": image,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "service", "namespace": SERVING, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "securityContext": security, "automountServiceAccountToken": False},
            },
        },
    }


def refused(run):
    return run.returncode != 0 and "forbidden" in run.stderr.lower()


def test_ci_rolls_an_image_out_waits_for_it_and_takes_it_back_and_may_do_nothing_else(ci):
    # Its namespace is the kubeconfig's: CI names none.
    rolled = ci("set", "image", "deployment/service", "service=docker.io/acme/flights:2")
    assert rolled.returncode == 0, rolled.stderr
    status = ci("rollout", "status", "deployment/service", f"--timeout={SECONDS}s")
    assert "successfully rolled out" in status.stdout, status.stderr
    image = ci("get", "deployment", "service", "--output=jsonpath={.spec.template.spec.containers[0].image}")
    assert image.stdout == "docker.io/acme/flights:2"
    assert ci("get", "pods", "--selector=app.kubernetes.io/component=service").returncode == 0
    back = ci("rollout", "undo", "deployment/service")
    assert back.returncode == 0, back.stderr
    assert "successfully rolled out" in ci("rollout", "status", "deployment/service", f"--timeout={SECONDS}s").stdout

    assert refused(ci("get", "secrets"))
    assert refused(ci("get", "secret", "ci-token", "--namespace=flights-prod"))
    assert refused(ci("scale", "deployment/service", "--replicas=0"))
    assert refused(ci("delete", "deployment", "service"))
    assert refused(ci("delete", "pods", "--all"))
    assert refused(ci("get", "pods", "--namespace=kubeflow"))
    assert refused(ci("get", "namespaces"))

    # The API server asks whether it may before it looks for somebody to pass the request on to: nobody is there.
    proxy = "/api/v1/namespaces/kubeflow/services/{}/proxy/apis/v2beta1/healthz"
    for allowed in ("ml-pipeline:8888", "ml-pipeline:http"):
        assert "not found" in ci("get", "--raw", proxy.format(allowed)).stderr.lower()
    for other in ("ml-pipeline:8887", "ml-pipeline-ui:80", "mysql:3306"):
        assert refused(ci("get", "--raw", proxy.format(other)))
    inside = f"/api/v1/namespaces/{PLATFORM}/services/{{}}/proxy/health"
    assert "not found" in ci("get", "--raw", inside.format("tracking:5000")).stderr.lower()
    for other in ("tracking", "tracking:http", "database:5432"):
        assert refused(ci("get", "--raw", inside.format(other)))

    # Without its secret the token is worth nothing.
    ci.api.delete(TOKEN, seconds=SECONDS)
    wait(lambda: "Unauthorized" in ci("get", "pods").stderr or "logged in" in ci("get", "pods").stderr, SECONDS)


@pytest.fixture
def tracking(ci):
    """A server on this machine in MLflow's place; gives what it was asked, each time with the headers."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, dict(self.headers)))
            answer = json.dumps({"ok": True}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    # An API server passes nothing on to its own loopback.
    address = own_address()
    with ThreadingHTTPServer((address, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        place = {"name": "tracking", "namespace": PLATFORM}
        # It passes on to addresses that are a pod's: this one waits for a scheduler that never comes, and is given ours.
        template = deployment("docker.io/acme/mlflow:1")["spec"]["template"]["spec"]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": place, "spec": {**template, "schedulerName": "nobody"}}
        ci.api.apply(pod)
        status = {"status": {"podIP": address, "podIPs": [{"ip": address}]}}
        ci.api.request("PATCH", ci.api.path_of(pod) + "/status", status, content_type="application/merge-patch+json")
        service = {"ports": [{"name": "http", "port": 5000, "targetPort": port, "protocol": "TCP"}]}
        ci.api.apply({"apiVersion": "v1", "kind": "Service", "metadata": place, "spec": service})
        target = {"kind": "Pod", "name": "tracking", "namespace": PLATFORM}
        subset = {
            "addresses": [{"ip": address, "targetRef": target}],
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        }
        ci.api.apply({"apiVersion": "v1", "kind": "Endpoints", "metadata": place, "subsets": [subset]})
        yield asked
        server.shutdown()


def own_address():
    """Where other machines find this one. Nothing is sent: a datagram's socket only chooses its interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return one.getsockname()[0]


def test_what_the_api_server_passes_on_has_its_own_name_and_nobody_s_token(ci, tracking):
    """Which is what MLflow is told to answer to: see components/kubernetes/tracking.py."""
    path = f"/api/v1/namespaces/{PLATFORM}/services/tracking:5000/proxy/api/2.0/mlflow/runs/get"
    read = wait(lambda: (done := ci("get", "--raw", path + "?run_id=7")).returncode == 0 and done, SECONDS)
    assert json.loads(read.stdout) == {"ok": True}
    asked, headers = tracking[-1]
    assert asked == "/api/2.0/mlflow/runs/get?run_id=7"
    assert headers["Host"] == ci.server.removeprefix("https://")
    assert "Authorization" not in headers
    before = len(tracking)
    written = ci("create", "--raw", path, "--filename=/dev/null")
    assert refused(written), written.stderr
    assert len(tracking) == before
