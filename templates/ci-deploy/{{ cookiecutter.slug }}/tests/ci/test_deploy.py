"""The release of an image, against a server that answers as Kubernetes does: what is done, and what told."""

import json
import runpy
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from support import ROOT, free_port

deploy = runpy.run_path(str(ROOT / "ci/deploy.py"))
BEFORE, NEW, OTHER = (f"registry.example.com/team/serving@sha256:{digit * 64}" for digit in "123")
NAMESPACE = "penguins-demo-serving"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/service"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=part%3Dservice"
TOKEN = "letmein"


def container(state, last=None):
    status = {"name": "service", "image": "", "imageID": "", "restartCount": 0, "ready": False}
    return {"containerStatuses": [{**status, "state": state, "lastState": last or {}}]}


WAITING = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
CRASHING = {"waiting": {"reason": "CrashLoopBackOff"}}
ENDED = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
RUNNING = {"running": {}}
UNREADY = {"conditions": [{"type": "Ready", "status": "False"}]}
NO_NODE = {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/4 nodes are available"}]}
TROUBLES = {
    "image": ({"phase": "Pending", **container(WAITING)}, "ImagePullBackOff: no such image"),
    "crash": ({"phase": "Running", **container(CRASHING, ENDED)}, "CrashLoopBackOff; it ended with OOM"),
    "restart": ({"phase": "Running", **container(RUNNING, ENDED)}, "started again; it ended with OOMKilled"),
    "node": ({"phase": "Pending", **NO_NODE}, "has no node: 0/4 nodes are available"),
    "model": ({"phase": "Running", **container(RUNNING), **UNREADY}, "runs and isn't ready: has the"),
    "quota": ("exceeded quota: pods=3", "no pod can be made: exceeded quota: pods=3"),
}
MOMENTS = {
    "before the change": lambda cluster, method: method == "PATCH",
    "while it is waited for": lambda cluster, method: (cluster.image, cluster.looks) == (NEW, 1),
    "before it is put back": lambda cluster, method: method == "PATCH" and cluster.image == NEW,
}
# After so many looks: all pods, those with the image, and those that are ready. The first is still of before.
ON_THE_WAY = [(2, 2, 2), (2, 2, 2), (3, 1, 2), (3, 2, 2), (2, 2, 1), (1, 1, 1), (2, 2, 2)]


class Cluster:
    """A Deployment with two pods: those of an image with trouble never get ready, others do."""

    def __init__(self):
        self.image, self.generation, self.looks, self.exists = BEFORE, 1, 9, True
        self.trouble = {}  # image → status of a pod with it, or why none can be made
        self.patient, self.gave_up = False, ""  # whether it never gives up, and when it did
        self.failures, self.refuses = [], ""  # HTTP statuses that come first; why no change is taken
        self.lost = False  # whether the next change is made and its answer lost
        self.then = lambda method: None  # called before each answer about the Deployment
        self.asked = []  # methods

    def change(self, image):
        self.image, self.generation, self.looks = image, self.generation + 1, 0

    def answer(self, method, path, body):
        if path not in {DEPLOYMENT, f"{DEPLOYMENT}?fieldManager=ci", PODS}:
            return 403, {"message": f"cannot get {path}"}
        if path == PODS:
            return 200, {"items": [self.pod()] if isinstance(self.trouble.get(self.image), dict) else []}
        if not self.exists:
            return 404, {"message": 'deployments.apps "service" not found'}
        self.then(method)
        if method == "PATCH":
            place = "/spec/template/spec/containers/1/"
            known = {f"{place}name": "service", f"{place}image": self.image}
            if self.refuses:
                return 422, {"message": self.refuses}
            if any(known[step["path"]] != step["value"] for step in body if step["op"] == "test"):
                return 422, {"message": "the server rejected our request due to an error in our request"}
            (change,) = [step for step in body if step["op"] == "replace"]
            assert change["path"] == f"{place}image"
            self.change(change["value"])
        else:
            self.looks += 1
        return 200, self.deployment()

    def deployment(self):
        """As it is after that many looks: not noticed yet, begun, and in the end done or given up."""
        bad = self.trouble.get(self.image)
        if self.looks == 3 and bad and not self.patient:
            self.gave_up = f"2026-01-01T00:00:{self.generation:02}Z"
        if self.looks == 3 and not bad:
            self.gave_up = ""
        good = ON_THE_WAY[min(self.looks, len(ON_THE_WAY) - 1)]
        counts = good if not bad else (2, 0, 2) if isinstance(bad, str) else (3, 1, 2)
        progressing = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}
        if self.gave_up:
            progressing |= {"reason": "ProgressDeadlineExceeded", "lastUpdateTime": self.gave_up}
        conditions = [progressing]
        if isinstance(bad, str):
            conditions.append({"type": "ReplicaFailure", "status": "True", "message": bad})
        parts = [{"name": "proxy", "image": "proxy:1"}, {"name": "service", "image": self.image}]
        return {
            "metadata": {"name": "service", "generation": self.generation},
            "spec": {
                "replicas": 2, "selector": {"matchLabels": {"part": "service"}},
                "template": {"spec": {"containers": parts}},
            },
            "status": {
                "observedGeneration": self.generation - (self.looks < 2), "conditions": conditions,
                **dict(zip(("replicas", "updatedReplicas", "availableReplicas"), counts, strict=True)),
            },
        }  # fmt: skip

    def pod(self):
        spec = {"containers": [{"name": "service", "image": self.image}]}
        return {"metadata": {"name": "service-x7"}, "spec": spec, "status": self.trouble[self.image]}


class Handler(BaseHTTPRequestHandler):
    """HTTP in front of `server.cluster`."""

    def do_GET(self):
        cluster = self.server.cluster
        cluster.asked.append(self.command)
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        if cluster.failures:
            return self.reply(cluster.failures.pop(0), {"message": "not now"})
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return self.reply(401, {"message": "Unauthorized"})
        if self.command == "PATCH":
            assert self.headers["Content-Type"] == "application/json-patch+json"
        status, content = cluster.answer(self.command, self.path, body)
        if self.command == "PATCH" and cluster.lost:
            cluster.lost, self.close_connection = False, True
            return None
        return self.reply(status, content)

    do_PATCH = do_GET  # noqa: N815 - the name that http.server looks for

    def reply(self, status, content):
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def kubeconfig(port, *, token=TOKEN, namespace=NAMESPACE):
    entry = {"cluster": "demo", "user": "demo", **({"namespace": namespace} if namespace else {})}
    return yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "demo",
        "clusters": [{"name": "demo", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "demo", "user": {"token": token}}],
        "contexts": [{"name": "demo", "context": entry}],
    })  # fmt: skip


def setting(monkeypatch, **values):
    for name, value in values.items():
        monkeypatch.setitem(deploy["main"].__globals__, name, value)


@pytest.fixture
def cluster(monkeypatch):
    setting(monkeypatch, PAUSE=0.01)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.cluster = Cluster()
        server.cluster.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        monkeypatch.setenv("KUBECONFIG_CONTENT", kubeconfig(server.cluster.port))
        yield server.cluster
        server.shutdown()


def release(capsys, image=NEW):
    code = deploy["main"]([image])
    said = capsys.readouterr()
    assert TOKEN not in said.out + said.err
    return code, said


def test_an_image_is_released_and_waited_for(cluster, capsys):
    code, said = release(capsys)
    assert (code, cluster.image) == (0, NEW)
    assert said.out.splitlines()[0] == f"{NAMESPACE}: {BEFORE} -> {NEW}"
    assert said.out.splitlines()[-1] == "2 of 2 pods have the image, 2 are ready"
    assert cluster.looks == 6, "until it was done, and no longer"


@pytest.mark.parametrize("name", TROUBLES)
def test_an_image_that_does_not_get_ready_is_named_and_the_one_of_before_put_back(cluster, capsys, name):
    cluster.trouble[NEW], told = TROUBLES[name]
    code, said = release(capsys)
    assert (code, cluster.image) == (1, BEFORE)
    assert told in said.err
    assert f"{BEFORE} is put back" in said.err
    assert cluster.looks > 2, "and waited for"


def test_what_is_put_back_and_is_no_better_is_told_too(cluster, capsys, monkeypatch):
    setting(monkeypatch, RETURN=0.2)
    cluster.trouble = {NEW: "exceeded quota", BEFORE: TROUBLES["model"][0]}
    code, said = release(capsys)
    assert (code, cluster.image) == (1, BEFORE)
    assert f"{BEFORE} is put back; {BEFORE} doesn't get ready" in said.err


def test_a_wait_has_an_end_though_the_cluster_never_gives_up(cluster, capsys, monkeypatch):
    setting(monkeypatch, RELEASE=0.2)
    cluster.trouble[NEW], cluster.patient = TROUBLES["node"][0], True
    code, said = release(capsys)
    assert (code, cluster.image) == (1, BEFORE)
    assert "has no node" in said.err


def test_that_the_cluster_gave_up_on_an_earlier_image_does_not_count(cluster, capsys):
    cluster.trouble[BEFORE], cluster.gave_up = TROUBLES["crash"][0], "2025-01-01T00:00:00Z"
    assert release(capsys)[0] == 0
    assert cluster.image == NEW


def test_the_same_image_is_only_waited_for(cluster, capsys):
    assert release(capsys, BEFORE)[0] == 0
    cluster.trouble[BEFORE] = TROUBLES["crash"][0]
    cluster.change(BEFORE)
    code, said = release(capsys, BEFORE)
    assert code == 1
    assert "OOMKilled" in said.err
    assert "it had this image before" in said.err
    assert "PATCH" not in cluster.asked


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_somebody_else_releases_meanwhile_stays(cluster, capsys, moment):
    cluster.trouble[NEW] = "exceeded quota"
    cluster.then = lambda method: cluster.change(OTHER) if MOMENTS[moment](cluster, method) else None
    code, said = release(capsys)
    assert (code, cluster.image) == (1, OTHER)
    assert f"somebody else released {OTHER}" in said.err


def test_what_the_cluster_refuses_is_said_in_its_words(cluster, capsys):
    cluster.refuses = "only images of our own"
    code, said = release(capsys)
    assert (code, cluster.image) == (1, BEFORE)
    assert f"refuses {NEW}: only images of our own" in said.err


def test_an_answer_that_is_lost_and_a_server_that_is_away_for_a_moment_change_nothing(cluster, capsys):
    cluster.failures, cluster.lost = [503, 429], True
    assert release(capsys)[0] == 0
    assert cluster.image == NEW
    assert cluster.asked.count("PATCH") == 2


def test_a_server_that_stays_away_is_an_error(cluster, capsys, monkeypatch):
    setting(monkeypatch, OUTAGE=0.1)
    monkeypatch.setenv("KUBECONFIG_CONTENT", kubeconfig(free_port()))
    code, said = release(capsys)
    assert code == 1
    assert "doesn't answer" in said.err


def test_without_a_service_it_says_which_setting_starts_it(cluster, capsys):
    cluster.exists = False
    code, said = release(capsys)
    assert code == 1
    assert "set service_image" in said.err


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"token": "stranger"}, "its token was exchanged"),
        ({"namespace": "other"}, "has that environment a service?"),
        ({"namespace": ""}, "no kubeconfig with a namespace"),
    ],
)
def test_a_kubeconfig_that_does_not_lead_there_is_named(cluster, capsys, monkeypatch, changed, told):
    monkeypatch.setenv("KUBECONFIG_CONTENT", kubeconfig(cluster.port, **changed))
    code, said = release(capsys)
    assert (code, cluster.image) == (1, BEFORE)
    assert told in said.err


@pytest.mark.parametrize("content", ["", "letmein", "[1]", "a: {", "clusters: [{name: letmein}]"])
def test_what_is_no_kubeconfig_is_refused_and_not_shown(capsys, monkeypatch, content):
    monkeypatch.setenv("KUBECONFIG_CONTENT", content)
    code, said = release(capsys)
    assert code == 1
    assert "KUBECONFIG_CONTENT is" in said.err


@pytest.mark.parametrize("image", ["registry.example.com/serving:1", "serving@sha256:12", f"{NEW}\n"])
def test_an_image_without_a_digest_is_refused_before_anything_is_asked(cluster, capsys, image):
    code, said = release(capsys, image)
    assert code == 1
    assert "a tag may name another image" in said.err
    assert cluster.asked == []
