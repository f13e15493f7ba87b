"""What is asked of a Kubeflow server."""

import socket
from types import SimpleNamespace

import pytest

from {{ cookiecutter.package }}.errors import ConfigError, StoreError
from {{ cookiecutter.package }}.pipelines import client
from {{ cookiecutter.package }}.schema import PROJECT


@pytest.mark.parametrize(
    ("host", "error", "message"),
    [
        ("", ConfigError, "isn't set"),
        ("localhost:8080", ConfigError, "must start with http"),
        ("DEAD", StoreError, "doesn't answer"),
    ],
)
def test_a_server_that_can_t_be_used_is_a_clear_error(monkeypatch, host, error, message):
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{found.getsockname()[1]}"
    monkeypatch.setenv("KFP_ENDPOINT", host.replace("DEAD", dead))
    with pytest.raises(error, match=message):
        client.connect()


class Server:
    """Remembers what it was asked for."""

    def __init__(self):
        self.calls = []
        self.failing = False

    def create_experiment(self, name):
        return SimpleNamespace(experiment_id=f"experiment of {name}")

    def list_recurring_runs(self, **arguments):
        names = (client.SCHEDULE, "another")
        runs = [SimpleNamespace(display_name=name, recurring_run_id=f"old {name}") for name in names]
        return SimpleNamespace(recurring_runs=runs)

    def create_recurring_run(self, **arguments):
        if self.failing:
            raise RuntimeError("refused")
        self.calls.append(("create", arguments))
        return SimpleNamespace(recurring_run_id="new")

    def delete_recurring_run(self, name):
        self.calls.append(("delete", name))

    def create_run_from_pipeline_package(self, package, **arguments):
        self.calls.append(("run", arguments))
        return SimpleNamespace(run_id="7")


@pytest.fixture
def server(monkeypatch):
    found = Server()
    monkeypatch.setattr(client, "connect", lambda: found)
    return found


def test_a_new_schedule_takes_the_place_of_the_old_one(server, tmp_path):
    assert client.schedule(tmp_path, {"data_version": "latest"}, "0 0 4 * * 1") == "new"
    (kind, arguments), deleted = server.calls
    assert kind == "create"
    assert arguments["cron_expression"] == "0 0 4 * * 1"
    assert arguments["params"] == {"data_version": "latest"}
    assert arguments["max_concurrency"] == 1
    assert deleted == ("delete", f"old {client.SCHEDULE}")


def test_the_old_schedule_stays_if_the_new_one_is_refused(server, tmp_path):
    server.failing = True
    with pytest.raises(RuntimeError):
        client.schedule(tmp_path, {}, "0 0 4 * * 1")
    assert server.calls == []


def test_a_schedule_has_six_fields(server, tmp_path):
    with pytest.raises(ConfigError, match="seconds"):
        client.schedule(tmp_path, {}, "0 4 * * 1")


def test_a_run_goes_to_the_project_s_experiment(server, tmp_path):
    assert client.submit(tmp_path, {"max_iter": 3}) == "7"
    assert server.calls == [
        ("run", {"arguments": {"max_iter": 3}, "experiment_name": PROJECT, "enable_caching": True})
    ]
