"""Alertmanager's webhook: who may start a training, and with what."""

from __future__ import annotations

import http.client
import json
import threading

import pytest

from {{ cookiecutter.package }}.monitoring import server as http_server
from {{ cookiecutter.package }}.monitoring.check import Checker
from {{ cookiecutter.package }}.monitoring.metrics import Metrics
from {{ cookiecutter.package }}.monitoring.service import Monitor

TOKEN = "a secret"


class Trainings:
    """In the place of the retrainer."""

    running = False

    def __init__(self):
        self.alerts = []
        self.answer = "started"

    def start(self, alerts):
        self.alerts.append(alerts)
        return self.answer


@pytest.fixture
def trainings():
    return Trainings()


@pytest.fixture
def post(registry, options, trainings, monkeypatch):
    """Post a body to the webhook; gives the status and the text."""
    monkeypatch.setenv("ALERT_TOKEN", TOKEN)
    metrics = Metrics()
    monitor = Monitor(Checker(registry, options), 60, metrics)
    with http_server.Server(
        "127.0.0.1", 0, monitor=monitor, metrics=metrics, reports=options.reports, retrainer=trainings
    ) as opened:
        threading.Thread(target=opened.serve_forever, args=(0.05,), daemon=True).start()

        def ask(body=b"", headers=None, path="/alerts"):
            connection = http.client.HTTPConnection(*opened.server_address, timeout=10)
            try:
                connection.request("POST", path, body, {"Authorization": f"Bearer {TOKEN}"} | (headers or {}))
                answer = connection.getresponse()
                return answer.status, answer.read().decode()
            finally:
                connection.close()

        ask.metrics = metrics
        yield ask
        opened.shutdown()


def alert(fingerprint, status="firing", action="retrain"):
    return {"status": status, "labels": {"alertname": "A", "action": action}, "fingerprint": fingerprint}


def message(*alerts):
    return json.dumps({"version": "4", "status": "firing", "alerts": alerts}).encode()


def test_only_firing_alerts_that_ask_for_it_start_a_training(post, trainings):
    body = message(alert("a"), alert("b", status="resolved"), alert("c", action="page"), alert("d"))
    assert post(body) == (200, "started")
    assert trainings.alerts == [["a", "d"]]
    assert post(message(alert("b", status="resolved"))) == (200, "ignored")
    assert len(trainings.alerts) == 1
    counted = post.metrics.render().decode()
    assert 'monitor_alerts_total{result="started"} 1.0' in counted
    assert 'monitor_alerts_total{result="ignored"} 1.0' in counted


@pytest.mark.parametrize(("answer", "status"), [("running", 200), ("repeated", 200), ("failed", 503)])
def test_what_can_be_tried_again_is_a_server_error(post, trainings, answer, status):
    trainings.answer = answer
    assert post(message(alert("a"))) == (status, answer)


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", "Bearer \u00e9"])
def test_without_the_token_nothing_starts(post, trainings, given):
    assert post(message(alert("a")), {"Authorization": given.encode("latin-1")})[0] == 401
    assert trainings.alerts == []


def test_the_token_may_be_in_a_file_which_may_be_replaced(post, monkeypatch, tmp_path):
    monkeypatch.delenv("ALERT_TOKEN")
    monkeypatch.setenv("ALERT_TOKEN_FILE", str(tmp_path / "token"))
    assert post(message(alert("a")))[0] == 503
    (tmp_path / "token").write_text("\n")
    assert post(message(alert("a")), {"Authorization": "Bearer "})[0] == 503
    (tmp_path / "token").write_text("another\n")
    assert post(message(alert("a")))[0] == 401
    assert post(message(alert("a")), {"Authorization": "Bearer another"})[0] == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b'{"alerts": 1}', b'{"alerts": [{}]}', b"\xff", b"[" * 200_000],
)
def test_what_is_no_message_is_refused(post, trainings, body):
    assert post(body)[0] == 400
    assert trainings.alerts == []


@pytest.mark.parametrize(
    ("length", "status"), [("1048577", 413), ("9" * 5000, 413), ("-1", 411), ("x", 411), ("\u00b2", 411)]
)
def test_the_length_is_bounded_before_anything_is_read(post, length, status):
    assert post(b"", {"Content-Length": length})[0] == status


def test_there_is_nothing_else_to_post_to(post):
    assert post(message(alert("a")), path="/metrics")[0] == 404
