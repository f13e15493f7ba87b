"""A Kubeflow Pipelines server for the client's tests: it keeps runs and schedules, and starts nothing.

No real one can be had without a cluster. This one answers the API v2beta1 over HTTP as the real one does in
what the client relies on, and refuses what the real one refuses: no or a wrong token, an unknown namespace,
a specification that isn't one, unknown parameters, a cron expression that isn't one, unknown fields, and ids
that it never gave out. Requests and answers go through Kubeflow's own models.
"""

from __future__ import annotations

import json
import re
import shutil
import ssl
import subprocess
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import kfp_server_api
import pytest
from google.protobuf import json_format
from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec, PlatformSpec

from support import ROOT

API = "/apis/v2beta1"


class RefusalError(Exception):
    """What the server says no to."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Kubeflow:
    """What the server knows, and how it behaves."""

    def __init__(self):
        self.token = None
        self.namespace = None  # set: a server with a namespace for each team
        self.experiments = {}
        self.runs = {}
        self.schedules = {}
        self.states = ["PENDING", "RUNNING", "SUCCEEDED"]
        self.requests = []
        self.override = None  # (status, headers, body) of every answer
        self.outages = 0  # how many of the next questions about a run fail
        self.url = ""
        self.page_size = 2

    def answer(self, method, path, query, body, headers):
        self.requests.append((method, path))
        if self.token and headers.get("Authorization") != f"Bearer {self.token}":
            raise RefusalError(401, "Request not authenticated")
        if not path.startswith(API):
            raise RefusalError(404, "Not Found")
        path = path.removeprefix(API)
        if (method, path) == ("GET", "/healthz"):
            return {"multi_user": bool(self.namespace), "pipeline_store": "database"}
        if path == "/experiments":
            return self._experiments(method, query, body)
        if (method, path) == ("POST", "/runs"):
            return self._new(self.runs, "run_id", checked(body, kfp_server_api.V2beta1Run))
        if method == "GET" and (found := re.fullmatch(r"/runs/([^/:]+)", path)):
            if self.outages:
                self.outages -= 1
                raise RefusalError(500, "the database is gone")
            run = self._known(self.runs, found[1])
            run["state"] = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            return run
        if path.startswith("/recurringruns"):
            return self._recurring(method, path, query, body)
        raise RefusalError(404, "Not Found")

    def _experiments(self, method, query, body):
        if method == "POST":
            wanted = checked(body, kfp_server_api.V2beta1Experiment)
            self._check_namespace(wanted.get("namespace"))
            return self._new(self.experiments, "experiment_id", wanted)
        self._check_namespace(query.get("namespace"))
        (predicate,) = json.loads(query["filter"])["predicates"]
        assert (predicate["operation"], predicate["key"]) == ("EQUALS", "display_name")
        name = predicate["stringValue"]
        found = [item for item in self.experiments.values() if item["display_name"] == name]
        return {"experiments": found, "total_size": len(found)} if found else {}

    def _check_namespace(self, given):
        if self.namespace is None and given:
            raise RefusalError(400, "In single-user mode, the namespace must be empty")
        if self.namespace and given != self.namespace:
            raise RefusalError(403, f"User is not authorized to access namespace {given!r}")

    def _recurring(self, method, path, query, body):
        if (method, path) == ("POST", "/recurringruns"):
            wanted = checked(body, kfp_server_api.V2beta1RecurringRun)
            if not 1 <= int(wanted.get("max_concurrency", 0)) <= 10:
                raise RefusalError(400, "The max concurrency of the recurring run is out of range")
            cron = wanted["trigger"]["cron_schedule"]["cron"]
            if len(cron.split()) != 6 or not re.fullmatch(r"[0-9*?/,A-Za-z -]+", cron):
                raise RefusalError(400, "Schedule cron is not a supported format")
            wanted["status"] = "ENABLED" if wanted["mode"] == "ENABLE" else "DISABLED"
            return self._new(self.schedules, "recurring_run_id", wanted)
        if method == "GET":
            found = [i for i in self.schedules.values() if i["experiment_id"] == query["experiment_id"]]
            start = int(query.get("page_token") or 0)
            page = found[start : start + self.page_size]
            end = start + self.page_size
            return {"recurringRuns": page} | ({"next_page_token": str(end)} if end < len(found) else {})
        identity, _, verb = path.removeprefix("/recurringruns/").partition(":")
        item = self._known(self.schedules, identity)
        if (method, verb) == ("DELETE", ""):
            del self.schedules[identity]
        elif method == "POST" and verb in {"enable", "disable"}:
            item["status"] = f"{verb.upper()}D"
        else:
            raise RefusalError(404, "Not Found")
        return {}

    def _known(self, items, identity):
        if identity not in items:
            raise RefusalError(404, f"{identity} not found")
        return items[identity]

    def _new(self, items, key, wanted):
        if "experiment_id" in wanted and wanted["experiment_id"] not in self.experiments:
            raise RefusalError(400, "Experiment not found")
        number = f"{key.removesuffix('_id')}-{len(items) + 1}-{len(self.requests)}"
        items[number] = {**wanted, key: number}
        return items[number]


def checked(body, model):
    """Return a request's body, if it is one that Kubeflow's own models and messages accept."""
    allowed = set(model.attribute_map.values())
    if unknown := set(body) - allowed:
        raise RefusalError(400, f"unknown fields {sorted(unknown)}")
    if "pipeline_spec" not in body:
        return body
    try:
        specification = json_format.ParseDict(body["pipeline_spec"]["pipeline_spec"], PipelineSpec())
        platforms = json_format.ParseDict(body["pipeline_spec"]["platform_spec"], PlatformSpec())
    except (KeyError, json_format.ParseError) as error:
        raise RefusalError(400, f"not a pipeline: {error}") from error
    for executor in platforms.platforms["kubernetes"].deployment_spec.executors.values():
        json_format.ParseDict(json_format.MessageToDict(executor), KubernetesExecutorConfig())
    known = set(specification.root.input_definitions.parameters)
    if unknown := set(body["runtime_config"]["parameters"]) - known:
        raise RefusalError(400, f"unknown parameters {sorted(unknown)}")
    return body


@pytest.fixture
def kubeflow(monkeypatch):
    """A server on this machine, named in KFP_ENDPOINT."""
    with serving(Kubeflow()) as found:
        monkeypatch.setenv("KFP_ENDPOINT", found.url)
        yield found


@pytest.fixture
def certificate(tmp_path):
    """A certificate that nobody else vouches for: its path, and what a server needs to show it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, so no certificate can be made")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    kind = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    command = ["openssl", "req", *kind, *subject, "-out", certificate, "-keyout", key]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context


@pytest.fixture
def secure(certificate, monkeypatch):
    """The same over TLS; gives the server and its certificate."""
    path, context = certificate
    with serving(Kubeflow(), context) as found:
        monkeypatch.setenv("KFP_ENDPOINT", found.url)
        yield found, path


class serving:  # noqa: N801 - a context manager, used like a function
    """Let a server answer on a free port."""

    def __init__(self, state, context=None):
        self.state, self.context = state, context

    def __enter__(self):
        state = self.state

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if state.override:
                    return self.reply(*state.override)
                path, _, query = self.path.partition("?")
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                query = dict(urllib.parse.parse_qsl(query))
                json_type = {"Content-Type": "application/json"}
                try:
                    answer = state.answer(self.command, path, query, body, self.headers)
                except RefusalError as refused:
                    message = {"code": 3, "message": str(refused), "details": []}
                    return self.reply(refused.code, json_type, json.dumps(message))
                return self.reply(200, json_type, json.dumps(answer))

            do_POST = do_DELETE = do_GET  # noqa: N815 - the names that http.server looks for

            def reply(self, status, headers, body):
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if self.context:
            self.server.socket = self.context.wrap_socket(self.server.socket, server_side=True)
        state.url = f"http{'s' if self.context else ''}://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return state

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Project:
    """A Git repository in the current folder, with the project's parameters and a recorded data version."""

    VERSION = "1" * 32 + ".dir"

    def __init__(self):
        Path("params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
        Path(".gitignore").write_text("*.pem\nremote/\n.kfp/\nbuild/\n")
        self.record(self.VERSION)
        self.git("init", "--quiet")
        self.commit()

    @property
    def head(self):
        return self.git("rev-parse", "HEAD")

    def record(self, version):
        """Write down a data version as DVC does."""
        Path("data").mkdir(exist_ok=True)
        Path("data/raw.dvc").write_text(f"outs:\n- md5: {version}\n  path: raw\n")

    def git(self, *arguments):
        return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()

    def commit(self):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--no-verify", "--message", "A commit")
        return self.head


@pytest.fixture
def project(monkeypatch):
    """A repository with one commit."""
    monkeypatch.delenv("GIT_COMMIT", raising=False)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@localhost")
    return Project()
