"""When retraining starts, when it does not, and how it ends."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from {{ cookiecutter.package }}.monitoring.metrics import Receipts
from {{ cookiecutter.package }}.monitoring.retrain import NOTHING_NEW, Retrainer


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def wait_for_end(retrainer: Retrainer) -> None:
    deadline = time.monotonic() + 30
    while retrainer.running:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_never_two_at_once(tmp_path):
    ended = []
    retrainer = Retrainer(python("import time; time.sleep(60)"), 1e-9, tmp_path / "state.json", ended.append)
    assert retrainer.start(["a"]) == "started"
    assert retrainer.running
    assert retrainer.start(["b"]) == "running"
    retrainer.stop()
    wait_for_end(retrainer)
    assert ended == [-15]


def test_the_same_alert_waits_for_the_cool_down_across_restarts(tmp_path):
    state = tmp_path / "reports" / "state.json"
    ended = []
    first = Retrainer(python(""), 3600, state, ended.append)
    assert first.start(["a", "b"]) == "started"
    wait_for_end(first)
    assert first.start(["a"]) == "repeated"
    again = Retrainer(python("raise SystemExit(3)"), 3600, state, ended.append)
    assert again.start(["b", "a"]) == "repeated"
    assert again.start(["a", "c"]) == "started"
    wait_for_end(again)
    assert Retrainer(python(""), 1e-9, state).start(["a"]) == "started"
    assert ended == [0, 3]


@pytest.mark.parametrize("content", ["", "[]", '{"a": "soon"}'])
def test_a_damaged_state_does_not_stop_it(tmp_path, content):
    (tmp_path / "state.json").write_text(content)
    retrainer = Retrainer(python(""), 3600, tmp_path / "state.json")
    assert retrainer.start(["a"]) == "started"
    wait_for_end(retrainer)


def test_a_program_that_can_not_be_run_may_be_tried_again(tmp_path):
    retrainer = Retrainer([str(tmp_path / "nothing")], 3600, tmp_path / "state.json")
    assert retrainer.start(["a"]) == retrainer.start(["a"]) == "failed"
    assert not retrainer.running


def test_arguments_reach_no_shell(tmp_path):
    ended = []
    command = [*python("import sys; sys.exit(sys.argv[1] != '$(id); x')"), "$(id); x"]
    retrainer = Retrainer(command, 1, tmp_path / "state.json", ended.append)
    retrainer.start(["a"])
    wait_for_end(retrainer)
    assert ended == [0]


def test_stopping_ends_what_the_command_started(tmp_path):
    marker = tmp_path / "pid"
    child = "import time; time.sleep(60)"
    parent = (
        "import pathlib, subprocess, sys; "
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}]); "
        f"pathlib.Path({str(marker)!r}).write_text(str(child.pid)); child.wait()"
    )
    retrainer = Retrainer(python(parent), 1, tmp_path / "state.json")
    retrainer.start(["a"])
    deadline = time.monotonic() + 30
    while not (marker.exists() and marker.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    retrainer.stop()
    asked = ["ps", "-o", "stat=", "-p", marker.read_text()]
    deadline = time.monotonic() + 30  # a killed process is gone when the system comes to it
    while subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() not in {"", "Z"}:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_command_that_takes_too_long_is_ended_and_has_failed(tmp_path):
    ended = []
    command = python("import time; time.sleep(60)")
    retrainer = Retrainer(command, 1, tmp_path / "state.json", ended.append, limit_seconds=0.05)
    assert retrainer.start(["a"]) == "started"
    wait_for_end(retrainer)
    assert ended == [-15]


@pytest.mark.parametrize(
    ("code", "result"), [(0, "succeeded"), (NOTHING_NEW, "unchanged"), (1, "failed"), (-9, "failed")]
)
def test_what_became_of_it_is_counted(code, result):
    receipts = Receipts()
    receipts.retrained(code)
    counted = [line for line in receipts.render().decode().splitlines() if line.endswith(" 1.0")]
    assert counted == ['monitor_retrains_total{result="' + result + '"} 1.0']
