"""The monitor over HTTP, and over time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest

from {{ cookiecutter.package }}.monitoring.check import Checker
from {{ cookiecutter.package }}.monitoring.retrain import Retrainer
from {{ cookiecutter.package }}.monitoring.service import Monitor, listen


@pytest.fixture
def get(options):
    """Ask a monitor's server for a path; gives status, headers and text."""
    opened = []

    def ask(monitor: Monitor, path: str) -> tuple[int, dict[str, str], str]:
        if not opened:
            server = listen("127.0.0.1", 0, monitor, options.reports)
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            opened.append(server)
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{opened[0].server_address[1]}{path}", timeout=10
            ) as answer:
                return answer.status, dict(answer.headers), answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read().decode()

    yield ask
    for server in opened:
        server.shutdown()
        server.server_close()


def test_drift_reaches_the_metrics_and_the_page(registry, options, moved, write_log, get):
    write_log(moved, 200)
    monitor = Monitor(Checker(registry, options), 60)
    assert "drift_share NaN" in get(monitor, "/metrics")[2]
    assert get(monitor, "/")[0] == 404
    monitor.check()
    metrics = get(monitor, "/metrics")[2]
    assert "drift_detected 1.0" in metrics
    assert 'drift_model_info{version="1"} 1.0' in metrics
    assert 'drift_rows{side="current"} 200.0' in metrics
    assert 'monitor_checks_total{result="drift"} 1.0' in metrics
    assert "drift_column_score{" in metrics
    status, headers, page = get(monitor, "/")
    assert (status, "Dataset Drift is detected" in page) == (200, True)
    assert headers["Content-Security-Policy"].startswith("sandbox")
    assert get(monitor, "/drift.json")[2].startswith("{")
    assert "drift" in get(monitor, "/healthz")[2]
    assert get(monitor, "/../pyproject.toml")[0] == 404


def test_a_new_champion_starts_from_nothing(registry, options, moved, write_log):
    write_log(moved, 200)
    monitor = Monitor(Checker(registry, options), 60)
    monitor.check()
    registry.version = None
    monitor.check()
    metrics = monitor.metrics.render().decode()
    assert "drift_detected 0.0" in metrics
    assert "drift_share NaN" in metrics
    assert "drift_column_score{" not in metrics
    assert 'monitor_checks_total{result="skipped"} 1.0' in metrics


def test_a_failed_check_is_counted_and_the_next_one_comes(registry, options, rows, write_log):
    write_log(rows, 100)
    monitor = Monitor(Checker(registry, options), 60)
    registry.down = True
    monitor.check()
    assert 'monitor_checks_total{result="failed"} 1.0' in monitor.metrics.render().decode()
    assert "monitor_last_check_timestamp_seconds 0.0" in monitor.metrics.render().decode()
    assert monitor.status == "the last check failed: ConnectionError"
    registry.down = False
    monitor.check()
    assert 'monitor_checks_total{result="none"} 1.0' in monitor.metrics.render().decode()


def test_drift_starts_retraining_once_and_its_failure_is_counted(
    registry, options, moved, write_log, tmp_path
):
    write_log(moved, 200)
    runs = tmp_path / "runs"
    code = f"open({str(runs)!r}, 'a').write('x'); raise SystemExit(1)"
    retrainer = Retrainer([sys.executable, "-c", code], 3600, tmp_path / "state.json")
    monitor = Monitor(Checker(registry, options), 60, retrainer)
    monitor.check()
    assert retrainer._process is not None
    retrainer._process.wait(20)
    monitor.check()
    metrics = monitor.metrics.render().decode()
    assert runs.read_text() == "x"
    assert 'monitor_retrains_total{result="failed"} 1.0' in metrics
    assert "monitor_retraining 0.0" in metrics


def test_no_drift_starts_nothing(registry, options, rows, write_log, tmp_path):
    write_log(rows, 200)
    Monitor(Checker(registry, options), 60, Retrainer(["no such program"], 1, tmp_path / "s")).check()
    assert not (tmp_path / "s").exists()


def test_a_command_that_can_not_be_run_is_counted(registry, options, moved, write_log, tmp_path):
    write_log(moved, 200)
    monitor = Monitor(Checker(registry, options), 60, Retrainer(["no such program"], 1, tmp_path / "s"))
    monitor.check()
    assert 'monitor_retrains_total{result="failed"} 1.0' in monitor.metrics.render().decode()


def test_sigterm_stops_it_with_0(tmp_path):
    module = "{{ cookiecutter.package }}.monitoring"
    command = [sys.executable, "-m", module, "serve", "--port", "0"]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/registry.db"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert found is not None
        with urllib.request.urlopen(f"http://127.0.0.1:{found.group(1)}/healthz", timeout=10) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
