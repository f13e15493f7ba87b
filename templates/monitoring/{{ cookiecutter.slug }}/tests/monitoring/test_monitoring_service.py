"""The monitor over HTTP, and over time."""

from __future__ import annotations

import json
import os
import re
import shlex
{%- if cookiecutter.tracking %}
import shutil
{%- endif %}
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

from {{ cookiecutter.package }}.errors import RegistryError
from {{ cookiecutter.package }}.monitoring.check import Checker
from {{ cookiecutter.package }}.monitoring.metrics import Metrics, Receipts
from {{ cookiecutter.package }}.monitoring.retrain import Retrainer
from {{ cookiecutter.package }}.monitoring.server import Server
from {{ cookiecutter.package }}.monitoring.service import Monitor


@pytest.fixture
def published():
    """What was published: the verdict of each check."""
    return []


@pytest.fixture
def monitor(registry, options, published):
    return Monitor(
        Checker(registry, options), 60, Metrics(), lambda judged: published.append(judged.alarming)
    )


def rendered(monitor: Monitor) -> str:
    return monitor._metrics.render().decode()


@pytest.fixture
def get(options, monitor, tmp_path):
    """Ask the monitor's server for a path; gives status, headers and text."""
    retrainer = Retrainer(["no such program"], 1, tmp_path / "state.json")
    with Server(
        "127.0.0.1",
        0,
        monitor=monitor,
        metrics=monitor._metrics,
        reports=options.reports,
        retrainer=retrainer,
    ) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

        def ask(path: str) -> tuple[int, dict[str, str], str]:
            url = f"http://127.0.0.1:{server.server_address[1]}{path}"
            try:
                with urllib.request.urlopen(url, timeout=10) as answer:
                    return answer.status, dict(answer.headers), answer.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, dict(error.headers), error.read().decode()

        yield ask
        server.shutdown()


def test_drift_reaches_the_metrics_and_the_page(monitor, moved, write_log, write_feedback, get):
    write_log(moved, 100)
    write_feedback(lambda line: line["prediction"])
    assert "drift_share NaN" in get("/metrics")[2]
    assert get("/")[0] == 404
    monitor.check()
    metrics = get("/metrics")[2]
    assert "drift_detected 1.0" in metrics
    assert 'drift_model_info{version="1"} 1.0' in metrics
    assert 'drift_rows{side="current"} 100.0' in metrics
    assert 'monitor_checks_total{result="drift"} 1.0' in metrics
    assert "drift_column_score{" in metrics
    assert "quality_problem_share{" in metrics
    assert "quality_problems 0.0" not in metrics
    assert 'performance_labels{model="champion"} 100.0' in metrics
    assert 'performance_labels{model="other"} 0.0' in metrics
    assert 'drift_prediction_detected{version="1"}' in metrics
    status, headers, page = get("/")
    assert (status, "Dataset Drift is detected" in page) == (200, True)
    assert headers["Content-Security-Policy"].startswith("sandbox")
    assert get("/drift.json")[2].startswith("{")
    assert "drift" in get("/healthz")[2]
    assert get("/../pyproject.toml")[0] == 404


def test_a_client_that_goes_away_leaves_no_trace_and_a_failure_does(monkeypatch, tmp_path, capfd, caplog):
    gone, handled = threading.Event(), threading.Event()

    class Slow:
        """Knows its status only when the client is gone."""

        @property
        def status(self):
            assert gone.wait(30)
            return "x" * 10_000_000

    handle = Server.handle_error
    monkeypatch.setattr(Server, "handle_error", lambda *given: handle(*given) or handled.set())
    retrainer = Retrainer([], 1, tmp_path / "state.json")
    with Server(
        "127.0.0.1", 0, monitor=Slow(), metrics=Receipts(), reports=tmp_path, retrainer=retrainer
    ) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        with socket.create_connection(server.server_address[:2]) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        gone.set()
        assert handled.wait(30)
        assert caplog.records == []
        handled.clear()
        monkeypatch.setattr(Slow, "status", 1)
        with pytest.raises(OSError, match="closed connection"):
            urllib.request.urlopen(f"http://127.0.0.1:{server.server_address[1]}/healthz", timeout=30)
        assert handled.wait(30)
        assert "a request failed" in caplog.text
        server.shutdown()
    assert "Traceback" not in capfd.readouterr().err


def test_a_scrape_never_sees_a_part_of_a_check(registry, options, moved, write_log):
    """A moment without drift would end an alert, or let it wait for its minutes anew."""
    write_log(moved, 100)
    drifted = Checker(registry, options).check()
    metrics = Metrics()
    metrics.checked(drifted, 0)
    ended = threading.Event()

    def check():
        while not ended.is_set():
            metrics.checked(drifted, 0)

    checking = threading.Thread(target=check)
    checking.start()
    try:
        assert all(b"drift_detected 1.0" in metrics.render() for _ in range(200))
    finally:
        ended.set()
        checking.join()


def test_a_new_champion_starts_from_nothing(registry, monitor, moved, write_log):
    write_log(moved, 100)
    monitor.check()
    registry.version = None
    monitor.check()
    metrics = rendered(monitor)
    assert "drift_detected 0.0" in metrics
    assert "drift_share NaN" in metrics
    for name in ("drift_column_score", "drift_prediction", "quality_problem_share", "performance_score"):
        assert not re.search("^" + name + r".*\{", metrics, re.MULTILINE)
    assert 'monitor_checks_total{result="skipped"} 1.0' in metrics


def test_a_failed_check_is_counted_and_the_next_one_comes(registry, monitor, rows, write_log):
    write_log(rows, 100)
    registry.down = True
    monitor.check()
    assert 'monitor_checks_total{result="failed"} 1.0' in rendered(monitor)
    assert "monitor_last_check_timestamp_seconds 0.0" in rendered(monitor)
    assert monitor.status == "the last check failed: ConnectionError"
    registry.down = False
    monitor.check()
    assert 'monitor_checks_total{result="none"} 1.0' in rendered(monitor)


def test_the_report_is_published_when_the_verdict_is_a_new_one(
    registry, monitor, rows, moved, write_log, published
):
    path = write_log(rows, 100)
    monitor.check()
    monitor.check()
    assert published == [False]
    path.unlink()
    write_log(moved, 100)
    monitor.check()
    write_log(rows, 10, version="2", name="predictions-b.jsonl")
    monitor.check()
    assert published == [False, True]
    registry.version = None
    monitor.check()
    assert published == [False, True]


def test_a_store_that_is_away_does_not_stop_the_monitor(registry, options, rows, write_log):
    tried = []

    def publish(judged):
        tried.append(judged)
        raise RegistryError("the store is away")

    monitor = Monitor(Checker(registry, options), 60, Metrics(), publish)
    write_log(rows, 100)
    monitor.check()
    monitor.check()
    assert len(tried) == 2
    assert 'monitor_checks_total{result="none"} 2.0' in rendered(monitor)


def test_sigterm_stops_it_with_0(tmp_path{% if cookiecutter.tracking %}, tables{% endif %}):
{%- if cookiecutter.tracking %}
    shutil.copyfile(tables, tmp_path / "mlflow.db")
{%- endif %}
    module = "{{ cookiecutter.package }}.monitoring"
    command = [sys.executable, "-m", module, "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
            assert found is not None
            with urllib.request.urlopen(f"http://127.0.0.1:{found.group(1)}/healthz", timeout=60) as answer:
                assert answer.status == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(300) == 0
        finally:
            process.kill()


def test_a_receiver_checks_nothing_and_starts_what_an_alert_asks_for(tmp_path):
    module = "{{ cookiecutter.package }}.monitoring"
    wanted = shlex.join([sys.executable, "-c", "open('started', 'w').close()"])
    command = [sys.executable, "-m", module, "receive", "--port", "0", "--retrain-command", wanted]
    environment = {**os.environ, "ALERT_TOKEN": "known"}
    with subprocess.Popen(
        [*command, "--state", "state/retraining.json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            assert found is not None
            alert = {"fingerprint": "1", "status": "firing", "labels": {"action": "retrain"}}
            body = json.dumps({"alerts": [alert]}).encode()
            for expected in ("started", "repeated"):
                request = urllib.request.Request(
                    f"{found.group()}/alerts", body, {"Authorization": "Bearer known"}
                )
                with urllib.request.urlopen(request, timeout=10) as answer:
                    assert answer.read().decode() == expected
                ended = 'monitor_retrains_total{result="succeeded"} 1.0'
                for _ in range(600):
                    with urllib.request.urlopen(f"{found.group()}/metrics", timeout=10) as answer:
                        metrics = answer.read().decode()
                    if ended in metrics:
                        break
                    time.sleep(0.1)
                assert ended in metrics
            assert "monitor_last_check" not in metrics
            assert (tmp_path / "started").is_file()
            assert (tmp_path / "state/retraining.json").is_file()
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
