"""Services inside of a cluster, reached through its API server: by a kubeconfig, and by nothing else."""

import base64
{%- if cookiecutter.tracking %}
import json
{%- endif %}
import logging
import os
import shlex
import stat
import sys
from datetime import UTC, datetime, timedelta
from string import Template

import pytest
import yaml

{% if cookiecutter.tracking -%}
from {{ cookiecutter.package }} import __main__ as project_program
{% endif -%}
from {{ cookiecutter.package }} import cluster
from {{ cookiecutter.package }}.errors import ConfigError
from {{ cookiecutter.package }}.pipelines import __main__ as program
from {{ cookiecutter.package }}.pipelines import client

from .conftest import Kubeflow, RefusalError, serving

PIPELINES = "http://ml-pipeline.kubeflow.svc:8888"
PROXY = "/api/v1/namespaces/{}/services/{}/proxy"
# Hands out a token that no one had before, which is to be exchanged at once.
LOG_IN = Template("""#!$python
import json, pathlib
tokens = pathlib.Path("$folder")
token = f"token-{len(list(tokens.iterdir()))}"
(tokens / token).touch()
status = {"token": token, "expirationTimestamp": "$expiry"}
print(json.dumps({"apiVersion": "$version", "kind": "ExecCredential", "status": status}))
""")
VERSION = "client.authentication.k8s.io/v1beta1"


class ApiServer(Kubeflow):
    """A cluster's API server: passes requests on for whoever shows the token that was handed out last."""

    def __init__(self, tokens):
        super().__init__()
        self.tokens = tokens
        self.shown = []
        self.inside = {PROXY.format("kubeflow", "ml-pipeline:8888"): super().answer}

    def answer(self, method, path, query, body, headers):
        self.shown.append(headers.get("Authorization"))
        newest = max((path.name for path in self.tokens.iterdir()), key=lambda name: int(name[6:]))
        if self.shown[-1] != f"Bearer {newest}":
            raise RefusalError(401, "Unauthorized")
        for prefix, service in self.inside.items():
            if path.startswith(f"{prefix}/"):
                return service(method, path.removeprefix(prefix), query, body, {})
        raise RefusalError(403, f"User may not {method} {path}")


@pytest.fixture
def tokens(tmp_path_factory):
    """The folder of the tokens that were handed out."""
    folder = tmp_path_factory.mktemp("log-in") / "tokens"
    folder.mkdir()
    return folder


@pytest.fixture
def api_server(certificate, tokens):
    path, context = certificate
    with serving(ApiServer(tokens), context) as found:
        found.authority = path
        yield found


@pytest.fixture
def kubeconfig(api_server, tokens, monkeypatch):
    """One whose user logs in by a program, as on AWS; gives it and a way to change it."""
    log_in = tokens.parent / "log-in"
    expiry = (datetime.now(UTC) + timedelta(minutes=4)).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = LOG_IN.substitute(python=sys.executable, folder=tokens, expiry=expiry, version=VERSION)
    log_in.write_text(text)
    log_in.chmod(log_in.stat().st_mode | stat.S_IXUSR)
    authority = base64.b64encode(api_server.authority.read_bytes()).decode()
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [
            {
                "name": "it",
                "cluster": {"server": api_server.url, "certificate-authority-data": authority},
            }
        ],
        "users": [{"name": "ci", "user": {"exec": {"apiVersion": VERSION, "command": str(log_in)}}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "ci", "namespace": "serving"}}],
    }

    def put(**changes):
        """Set the kubeconfig with another user or cluster."""
        parts = {f"{key}s": [{"name": name, key: value}] for key, (name, value) in changes.items()}
        monkeypatch.setenv("KUBECONFIG_CONTENT", yaml.safe_dump(content | parts))

    monkeypatch.delenv("KUBECONFIG", raising=False)
    put()
    return content, put


@pytest.fixture
def pipelines(monkeypatch):
    monkeypatch.setenv("KFP_ENDPOINT", PIPELINES)
    monkeypatch.setattr(client, "POLL_SECONDS", 0.01)


def submit(*arguments):
    return program.main(["submit", "--data-version", "latest", *arguments])


def test_a_run_is_submitted_through_the_api_server_and_followed_with_ever_new_tokens(
    api_server, kubeconfig, tokens, pipelines, project, capsys
):
    assert submit("--wait") == 0
    ((identity, run),) = api_server.runs.items()
    assert run["runtime_config"]["parameters"]["commit"] == project.head
    assert len(api_server.shown) == len(set(api_server.shown)) > 5
    shown = capsys.readouterr().out
    assert f"/#/runs/details/{identity}, after: kubectl" in shown
    assert not [token.name for token in tokens.iterdir() if token.name in shown]


def test_a_kubeconfig_with_a_token_and_a_path_of_one_will_do(
    api_server, kubeconfig, tokens, pipelines, project, monkeypatch
):
    _, put = kubeconfig
    (tokens / "token-7").touch()
    put(user=("ci", {"token": "token-7"}))
    assert submit() == 0
    text = os.environ["KUBECONFIG_CONTENT"]
    monkeypatch.delenv("KUBECONFIG_CONTENT")
    path = tokens.parent / "kubeconfig"
    path.write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert submit() == 0
    assert len(api_server.runs) == 2


def test_a_token_that_was_exchanged_says_what_to_do(kubeconfig, tokens, pipelines, project, capsys):
    _, put = kubeconfig
    (tokens / "token-7").touch()
    put(user=("ci", {"token": "token-6"}))
    assert submit() == 1
    assert "next: set KUBECONFIG_CONTENT" in capsys.readouterr().err


def test_a_right_that_is_missing_says_so(api_server, kubeconfig, pipelines, project, capsys):
    api_server.inside.clear()
    assert submit() == 1
    error = capsys.readouterr().err
    assert "User may not GET" in error
    assert "CI's account" in error


def test_a_program_that_gives_no_token_is_a_clear_error(kubeconfig, pipelines, project, capsys, monkeypatch):
    _, put = kubeconfig
    monkeypatch.setattr(logging.root, "handlers", logging.root.handlers)
    put(user=("ci", {"exec": {"apiVersion": VERSION, "command": shlex.quote("/no/such/aws")}}))
    assert submit() == 1
    assert "the kubeconfig gives no token" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no: kubeconfig", "holds no kubeconfig"),
        ("}{ secret", "holds no kubeconfig"),
        ("INSECURE", "trusts whoever answers"),
        ("HTTP", "trusts whoever answers"),
        ("OTHER NAME", "tls-server-name"),
    ],
)
def test_a_kubeconfig_that_can_t_be_used_is_not_quoted(kubeconfig, monkeypatch, text, message):
    content, put = kubeconfig
    (entry,) = content["clusters"]
    known = entry["cluster"]
    changes = {
        "INSECURE": {"server": known["server"], "insecure-skip-tls-verify": True},
        "HTTP": {"server": known["server"].replace("https", "http")},
        "OTHER NAME": {**known, "tls-server-name": "kubernetes"},
    }
    if text in changes:
        put(cluster=("it", changes[text]))
    else:
        monkeypatch.setenv("KUBECONFIG_CONTENT", text)
    with pytest.raises(ConfigError, match=message) as refused:
        cluster.passage(PIPELINES)
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("http://tracking.flights-prod.svc:5000", PROXY.format("flights-prod", "tracking:5000")),
        ("http://a.b.svc.cluster.local", PROXY.format("b", "a:80")),
        ("https://a.b.svc:8443/base/", PROXY.format("b", "https:a:8443") + "/base"),
        ("https://tracking.example.com", None),
        ("http://tracking.svc.example.com:5000", None),
        ("http://127.0.0.1:5000", None),
        ("sqlite:///tracking.db", None),
        ("http://[", None),
    ],
)
def test_only_what_is_inside_of_a_cluster_goes_through_its_api_server(api_server, kubeconfig, address, path):
    found = cluster.passage(address)
    assert (None if found is None else found.url) == (path and api_server.url + path)
    assert cluster.passage(address, {}) is None, "without a kubeconfig, as within the cluster"


def test_a_person_s_own_kubeconfig_is_left_alone(kubeconfig, monkeypatch, tmp_path):
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube/config").write_text(os.environ["KUBECONFIG_CONTENT"])
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG_CONTENT")
    assert cluster.passage(PIPELINES) is None


def test_without_a_kubeconfig_the_error_says_what_to_set(pipelines, project, capsys, monkeypatch):
    for name in cluster.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert submit() == 1
    error = capsys.readouterr().err
    assert "doesn't answer" in error
    assert "inside of a cluster: set KUBECONFIG_CONTENT" in error
{%- if cookiecutter.tracking %}


@pytest.fixture
def tracking(api_server, monkeypatch):
    """As much of MLflow as the champion takes, inside of the cluster; gives what it was asked."""
    asked = []
    run = {
        "info": {"run_id": "7" * 32, "experiment_id": "1", "start_time": 0, "status": "FINISHED"},
        "data": {"metrics": [{"key": "score", "value": 0.5, "timestamp": 0, "step": 0}], "tags": []},
    }
    tags = {"sha256": "f" * 64, "data_version": "d" * 32 + ".dir"}
    version = {"version": "3", "run_id": "7" * 32, "source": "mlflow-artifacts:/x"}
    version["tags"] = [{"key": key, "value": value} for key, value in tags.items()]
    answers = {
        "/api/2.0/mlflow/registered-models/alias": {"model_version": version},
        "/api/2.0/mlflow/runs/get": {"run": run},
    }

    def answer(method, path, *_):
        asked.append((method, path))
        if path not in answers:
            raise RefusalError(404, "not here")
        return answers[path]

    api_server.inside[PROXY.format("flights-prod", "tracking:5000")] = answer
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.flights-prod.svc:5000")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return asked


def test_the_champion_is_read_through_the_api_server(kubeconfig, tracking, tokens, capsys):
    before = dict(os.environ)
    assert project_program.main(["champion"]) == 0
    shown = capsys.readouterr().out
    named = json.loads(shown)
    assert (named["version"], named["metrics"]) == ("3", {"score": 0.5})
    assert {method for method, path in tracking} == {"GET"}, "which is all that CI may"
    assert not [token.name for token in tokens.iterdir() if token.name in shown]
    assert dict(os.environ) == before | {
        name: os.environ[name] for name in os.environ if name.startswith("MLFLOW_") and name not in before
    }
    assert "MLFLOW_TRACKING_TOKEN" not in os.environ


def test_a_registry_that_does_not_let_us_in_says_what_to_do(api_server, kubeconfig, tracking, capsys):
    api_server.inside.clear()
    assert project_program.main(["champion"]) == 1
    error = capsys.readouterr().err
    assert "http://tracking.flights-prod.svc:5000 failed" in error
    assert "CI's account may read it" in error
{%- endif %}
