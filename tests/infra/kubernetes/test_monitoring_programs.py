"""The real Prometheus and Alertmanager with what they would be given in the cluster."""

import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest
import yaml
from tests.infra.kubernetes.monitored import container_of, monitored, mount, project

__all__ = ["monitored", "project"]
NAMESPACE = "flights-prod-monitoring"
POD = "service-5d8f-x2v9q"
SECONDS = 60


def program(*names):
    """The first of these programs that is installed; without one the test is skipped."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"{names[0]} isn't installed (Debian: prometheus, prometheus-alertmanager)")
    return found


def wait_for(found, what):
    """What `found` gives, once it gives something; fails after a minute."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            if value := found():
                return value
        except (OSError, ValueError):
            pass
        time.sleep(0.1)
    pytest.fail(f"{what}: not within {SECONDS} s")


def fetch(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def serve():
    """Start a server on loopback from a function that answers (method, path, body, headers); gives its port."""
    servers = []

    def start(answer, address="127.0.0.1", port=0):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                content = answer(self.command, self.path, body, self.headers)
                self.send_response(200 if content is not None else 404)
                self.send_header("Content-Type", "application/json" if self.path.startswith("/api") else "text/plain")
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            do_POST = do_GET  # noqa: N815 - the base class looks for this name

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer((address, port), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_address[1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def start(tmp_path):
    """Start a program; it is stopped after the test."""
    started = []

    def run(name, *command):
        with (tmp_path / f"{name}.log").open("wb") as log:
            started.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path))

    yield run
    for process in started:
        process.kill()  # what they keep is the test's own
    for process in started:
        process.wait(20)


def arguments(recorded, name, root, *replaced):
    """The arguments of a workload's container, with its folders below `root`; then each (old, new)."""
    given = []
    for argument in container_of(recorded, "StatefulSet", name)["args"]:
        key, separator, value = argument.partition("=")
        value = f"{root}{value}" if value.startswith("/") else value
        for old, new in replaced:
            value = value.replace(old, new)
        given.append(f"{key}{separator}{value}")
    return given


@pytest.mark.parametrize("size", ["small", "ha"])
def test_promtool_and_amtool_accept_what_the_pods_see(monitored, tmp_path, size):
    promtool, amtool = program("promtool"), program("amtool")
    recorded = monitored(size=size)
    for name in ("prometheus", "alertmanager"):
        mount(recorded, "StatefulSet", name, tmp_path)
    _rediscover(tmp_path / "etc/prometheus/prometheus.yml", "http://127.0.0.1:9/")
    for command in (
        [promtool, "check", "config", tmp_path / "etc/prometheus/prometheus.yml"],
        [amtool, "check-config", tmp_path / "etc/alertmanager/alertmanager.yml"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    checked = subprocess.run(
        [promtool, "check", "rules", *(tmp_path / "etc/prometheus/rules").iterdir()],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "SUCCESS" in checked.stdout


def test_prometheus_finds_the_services_pods_and_loads_every_rule(monitored, project, tmp_path, serve, start):
    command = program("prometheus")
    recorded = monitored()
    root = mount(recorded, "StatefulSet", "prometheus", tmp_path)
    (root / "prometheus").mkdir()
    address, port = "127.0.74.83", free_port()
    serve(lambda _method, path, *_: b"serving_model_loaded 0\n" if path == "/metrics" else None, address, 8000)
    custom = serve(lambda _method, path, *_: b"custom_metric 1\n" if path == "/custom" else None, address)
    annotated = {
        "annotation_prometheus_io_scrape": "true",
        "annotation_prometheus_io_port": str(custom),
        "annotation_prometheus_io_path": "/custom",
    }
    pods = {
        "serving": [
            _target(address, 8000, POD, "service"),
            _target(address, 8443, POD, "service"),  # another of its ports
            _target("127.0.74.84", 8000, "service-evicted", "service", phase="Failed"),
        ],
        "pods": [
            _target(address, 8000, POD, "service", **annotated),  # which has a job of its own
            _target(address, 8443, "team-0", "team", **annotated),
            _target(address, 8443, "quiet-0", "quiet"),
        ],
    }
    path = root / "etc/prometheus/prometheus.yml"
    found = serve(lambda _method, path, *_: json.dumps(pods[path.removeprefix("/api/")]).encode())
    _rediscover(path, f"http://127.0.0.1:{found}/api/")
    start("prometheus", command, *arguments(recorded, "prometheus", root), f"--web.listen-address=127.0.0.1:{port}")

    def ask(query):
        return json.loads(fetch(f"http://127.0.0.1:{port}/api/v1/{query}"))["data"]

    def up(job):
        return {
            one["metric"]["instance"]: one["value"][1]
            for one in ask(f"query?query=up%7Bjob%3D%22{job}%22%7D")["result"]
        }

    wait_for(lambda: fetch(f"http://127.0.0.1:{port}/-/ready"), "Prometheus is ready")
    wait_for(lambda: ask("query?query=serving_model_loaded")["result"], "the service is scraped")
    # A pod gives its name, and one that was evicted isn't taken for a service that is down.
    wait_for(lambda: up("serving") == {POD: "1"}, "the service is up")
    (series,) = wait_for(lambda: ask("query?query=custom_metric")["result"], "the annotated pod is scraped")
    assert (series["metric"]["instance"], series["metric"]["component"]) == ("team-0", "team")
    wait_for(lambda: up("pods") == {"team-0": "1"}, "the annotated pod is up")
    # What should be there and isn't counts as down: the names of the cluster lead nowhere here.
    missing = {f"{name}.{NAMESPACE}.svc:9100": "0" for name in ("drift", "retraining")}
    wait_for(lambda: up("monitoring") == missing, "the monitor is missed")
    loaded = {rule["name"] for group in ask("rules")["groups"] for rule in group["rules"]}
    written = yaml.safe_load((project / "prometheus/alerts.yml").read_text())["groups"]
    assert loaded == {rule["alert"] for group in written for rule in group["rules"]}


def test_an_alert_reaches_the_receiver_once_with_the_token(monitored, tmp_path, serve, start):
    """Two replicas, as in `ha`: both are told of the alert, and they agree on which of them passes it on."""
    command = program("prometheus-alertmanager", "alertmanager")
    recorded = monitored(size="ha")
    received = []

    def receiver(method, path, body, headers):
        received.append((method, path, headers.get("Authorization"), json.loads(body)))
        return b"started"

    hook = f"http://127.0.0.1:{serve(receiver)}/alerts"
    http_ports, mesh_ports = [free_port() for _ in range(2)], [free_port() for _ in range(2)]
    for number in range(2):
        root = mount(recorded, "StatefulSet", "alertmanager", tmp_path / str(number))
        path = root / "etc/alertmanager/alertmanager.yml"
        document = yaml.safe_load(path.read_text())
        document["route"]["group_wait"] = "1s"
        (ours,) = (one for one in document["receivers"] if one["name"] == "retraining")
        ours["webhook_configs"][0]["url"] = hook
        path.write_text(yaml.safe_dump(document))
        peers = [
            (f"alertmanager-{n}.alertmanager-mesh.{NAMESPACE}.svc:9094", f"127.0.0.1:{mesh_ports[n]}") for n in (0, 1)
        ]
        here = [
            ("0.0.0.0:9094", f"127.0.0.1:{mesh_ports[number]}"),
            ("$(POD_IP):9094", f"127.0.0.1:{mesh_ports[number]}"),
        ]
        start(
            f"alertmanager-{number}", command, *arguments(recorded, "alertmanager", root, *peers, *here),
            f"--web.listen-address=127.0.0.1:{http_ports[number]}",
        )  # fmt: skip
    for port in http_ports:
        wait_for(lambda port=port: _peers(port) == 2, "both are in the mesh")
    alert = [{"labels": {"alertname": "DriftDetected", "action": "retrain"}}]
    for port in http_ports:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/v2/alerts", json.dumps(alert).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=30).close()
    wait_for(lambda: received, "the alert is passed on")
    time.sleep(3)  # long enough for the other one, if it meant to
    assert len(received) == 1
    method, path, authorization, message = received[0]
    assert (method, path, authorization) == ("POST", "/alerts", "Bearer alert-token-value")
    assert [one["labels"]["alertname"] for one in message["alerts"]] == ["DriftDetected"]


def _peers(port):
    try:
        return len(json.loads(fetch(f"http://127.0.0.1:{port}/api/v2/status"))["cluster"]["peers"])
    except urllib.error.HTTPError:
        return 0


def _rediscover(path, url):
    """Have a server list the pods of each job in place of the cluster, which Debian's Prometheus is built without."""
    document = yaml.safe_load(path.read_text())
    document["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
    for job in document["scrape_configs"]:
        if job.pop("kubernetes_sd_configs", None):
            job["http_sd_configs"] = [{"url": f"{url}{job['job_name']}"}]
    path.write_text(yaml.safe_dump(document))


def _target(address, port, name, component, phase="Running", **labels):
    """A pod's port as Prometheus' discovery describes it."""
    known = {
        "name": name,
        "phase": phase,
        "container_port_number": str(port),
        "label_app_kubernetes_io_component": component,
        **labels,
    }
    return {"targets": [f"{address}:{port}"], "labels": {f"__meta_kubernetes_pod_{key}": known[key] for key in known}}
