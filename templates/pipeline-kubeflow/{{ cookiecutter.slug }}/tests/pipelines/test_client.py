"""What is asked of a Kubeflow server, and what becomes of its refusals."""

import json
import socket
from pathlib import Path

import pytest

from {{ cookiecutter.package }} import config
from {{ cookiecutter.package }}.errors import ConfigError
from {{ cookiecutter.package }}.pipelines import client, connection, pipeline
from {{ cookiecutter.package }}.pipelines.connection import ServerError
from {{ cookiecutter.package }}.pipelines.settings import Cluster
from {{ cookiecutter.package }}.schema import PROJECT

from support import ROOT, free_port

MONDAYS = "0 0 4 * * 1"
HTML = {"Content-Type": "text/html"}


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(client, "POLL_SECONDS", 0.01)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    from kfp import compiler

    path = tmp_path_factory.mktemp("package") / "pipeline.yaml"
    built = pipeline.build(config.load(ROOT / "params.yaml"), Cluster("registry.example.com/project:7"))
    compiler.Compiler().compile(built, str(path))
    return path


@pytest.mark.parametrize(
    ("host", "error", "message"),
    [
        ("", ConfigError, "isn't set"),
        ("localhost:8080", ConfigError, "must start with http"),
        ("DEAD", ServerError, r"(?s)doesn't answer.*seedbed status"),
        ("http://no-such-host.invalid", ServerError, "doesn't answer"),
    ],
)
def test_a_server_that_can_t_be_used_is_a_clear_error(monkeypatch, host, error, message):
    monkeypatch.setenv("KFP_ENDPOINT", host.replace("DEAD", f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(error, match=message):
        client.server()


def test_a_server_that_accepts_and_never_answers_is_left_in_the_end(monkeypatch):
    monkeypatch.setattr(connection, "TIMEOUT", (1, 1))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("KFP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(ServerError, match="timed out"):
            client.server()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((404, {}, "not here"), r"(?s)no Kubeflow Pipelines API v2beta1.*2\.0 is the oldest"),
        ((200, HTML, "<form>log in</form>"), r"(?s)text/html.*KFP_TOKEN"),
        ((302, {"Location": "/dex/login"}, ""), r"(?s)HTTP 302.*KFP_TOKEN"),
        ((401, {}, "who?"), r"(?s)HTTP 401: who\?.*KFP_TOKEN"),
        ((403, {}, json.dumps({"message": "no right"})), r"(?s)allow it: no right.*KFP_NAMESPACE"),
        ((500, {}, "x" * 10_000), r"HTTP 500: x{500}\n"),
    ],
)
def test_each_refusal_says_what_to_do(kubeflow, answer, message):
    kubeflow.override = answer
    with pytest.raises(ServerError, match=message):
        client.server()


def test_a_token_is_sent_and_a_wrong_one_is_refused(kubeflow, package, monkeypatch):
    kubeflow.token = "right"
    monkeypatch.setenv("KFP_TOKEN", "wrong")
    with pytest.raises(ServerError, match="not authenticated"):
        client.server()
    monkeypatch.setenv("KFP_TOKEN", "right\n")
    assert client.server().submit(package, {}) in kubeflow.runs


def test_a_token_that_no_request_can_carry_is_refused(kubeflow, monkeypatch):
    monkeypatch.setenv("KFP_TOKEN", "ключ")
    with pytest.raises(ConfigError, match="copy it again"):
        client.server()


@pytest.mark.parametrize("variable", ["KFP_TOKEN_FILE", "KF_PIPELINES_SA_TOKEN_PATH"])
def test_a_token_in_a_file_is_read_again_when_it_is_renewed(kubeflow, package, monkeypatch, variable):
    Path("token").write_text("first\n")
    monkeypatch.setenv(variable, "token")
    kubeflow.token = "first"
    server = client.server()
    kubeflow.token = "second"
    with pytest.raises(ServerError, match="not authenticated"):
        server.submit(package, {})
    Path("token").write_text("second\n")
    assert server.submit(package, {}) in kubeflow.runs


def test_the_service_account_s_token_is_found_in_a_pod(kubeflow, monkeypatch):
    Path("mounted").write_text("pod")
    monkeypatch.setattr(connection, "POD_TOKEN", "mounted")
    kubeflow.token = "pod"
    client.server()


@pytest.mark.parametrize("variable", ["KFP_TOKEN_FILE", "KFP_CA_FILE"])
def test_a_file_that_isn_t_there_is_named(kubeflow, monkeypatch, variable):
    monkeypatch.setenv(variable, "nowhere")
    with pytest.raises(ConfigError, match=f"{variable} names nowhere"):
        client.server()


def test_a_certificate_is_trusted_only_when_its_authority_is_named(secure, monkeypatch):
    _, certificate = secure
    with pytest.raises(ServerError, match=r"(?s)isn't trusted.*KFP_CA_FILE"):
        client.server()
    monkeypatch.setenv("KFP_CA_FILE", str(certificate))
    client.server()


def test_a_server_of_many_teams_wants_a_namespace(kubeflow, package, monkeypatch):
    kubeflow.namespace = "team"
    with pytest.raises(ServerError, match="KFP_NAMESPACE"):
        client.server()
    monkeypatch.setenv("KFP_NAMESPACE", "other")
    with pytest.raises(ServerError, match=r"not authorized to access namespace 'other'"):
        client.server().submit(package, {})
    monkeypatch.setenv("KFP_NAMESPACE", "team")
    assert client.server().submit(package, {}) in kubeflow.runs
    (experiment,) = kubeflow.experiments.values()
    assert experiment["namespace"] == "team"


def test_a_namespace_is_no_hindrance_on_a_server_without_them(kubeflow, package, monkeypatch):
    monkeypatch.setenv("KFP_NAMESPACE", "kubeflow")
    assert client.server().submit(package, {}) in kubeflow.runs


def test_runs_go_to_the_project_s_one_experiment_with_their_parameters(kubeflow, package):
    server = client.server()
    first = server.submit(package, {"max_iter": 3, "commit": "c0ffee"})
    server.submit(package, {})
    (experiment,) = kubeflow.experiments.values()
    assert experiment["display_name"] == PROJECT
    assert kubeflow.runs[first]["runtime_config"]["parameters"] == {"max_iter": 3, "commit": "c0ffee"}
    assert first in server.url(first)
    with pytest.raises(ServerError, match="unknown parameters"):
        server.submit(package, {"speed": 1})


def test_a_run_is_followed_to_its_end(kubeflow, package):
    told = []
    server = client.server()
    server.wait(server.submit(package, {}), told.append)
    assert told == ["PENDING", "RUNNING", "SUCCEEDED"]


@pytest.mark.parametrize("state", ["FAILED", "CANCELED"])
def test_a_run_that_doesn_t_succeed_names_the_steps_that_failed(kubeflow, package, state):
    server = client.server()
    run = server.submit(package, {})
    kubeflow.states = ["RUNNING", state]
    tasks = [{"display_name": "train", "state": "FAILED"}, {"display_name": "fetch", "state": "SUCCEEDED"}]
    kubeflow.runs[run]["run_details"] = {"task_details": tasks}
    with pytest.raises(ServerError, match=rf"(?s)ended: {state} \(failed: train\).*runs/details/{run}"):
        server.wait(run, print)


def test_a_run_that_never_ends_is_not_waited_for_for_ever(kubeflow, package):
    server = client.server()
    run = server.submit(package, {})
    kubeflow.states = ["RUNNING"]
    with pytest.raises(client.StillRunningError, match="still running"):
        server.wait(run, print, seconds=0.2)


def test_an_outage_while_waiting_is_borne_but_not_for_ever(kubeflow, package):
    server = client.server()
    run = server.submit(package, {})
    kubeflow.outages = client.OUTAGES - 1
    server.wait(run, print)
    kubeflow.outages = client.OUTAGES
    with pytest.raises(ServerError, match="the database is gone"):
        server.wait(run, print)


def test_a_new_schedule_takes_the_place_of_the_old_one_of_its_name(kubeflow, package):
    server = client.server()
    other = server.schedule(package, {}, "0 0 5 * * 1", "another")
    server.schedule(package, {}, "0 0 3 * * 1")
    new = server.schedule(package, {"data_version": "latest"}, MONDAYS)
    assert [(item.name, item.cron, item.enabled, item.id) for item in server.schedules()] == [
        ("another", "0 0 5 * * 1", True, other),
        (client.SCHEDULE, MONDAYS, True, new),
    ]
    assert kubeflow.schedules[new]["runtime_config"]["parameters"] == {"data_version": "latest"}
    assert kubeflow.schedules[new]["max_concurrency"] == "1"


def test_the_old_schedule_stays_if_the_new_one_is_refused(kubeflow, package):
    server = client.server()
    old = server.schedule(package, {}, MONDAYS)
    with pytest.raises(ServerError, match="not a supported format"):
        server.schedule(package, {}, "0 0 4 * * @")
    assert [item.id for item in server.schedules()] == [old]


def test_a_schedule_has_six_fields(kubeflow, package):
    with pytest.raises(ConfigError, match="seconds"):
        client.server().schedule(package, {}, "0 4 * * 1")
    assert not kubeflow.schedules


def test_a_schedule_is_disabled_enabled_and_deleted_by_name_or_id(kubeflow, package):
    server = client.server()
    identity = server.schedule(package, {}, MONDAYS)
    server.disable(client.SCHEDULE)
    assert [item.enabled for item in server.schedules()] == [False]
    server.enable(identity)
    assert [item.enabled for item in server.schedules()] == [True]
    server.delete(client.SCHEDULE)
    assert server.schedules() == []
    with pytest.raises(ServerError, match=r"(?s)no schedule 'gone'.*there are: none"):
        server.delete("gone")


def test_every_page_of_schedules_is_read(kubeflow, package):
    server = client.server()
    names = [f"schedule-{number}" for number in range(2 * kubeflow.page_size + 1)]
    for name in names:
        server.schedule(package, {}, MONDAYS, name)
    assert [item.name for item in server.schedules()] == names
