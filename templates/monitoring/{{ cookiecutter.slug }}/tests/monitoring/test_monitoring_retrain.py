"""When retraining starts, and when it does not."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from {{ cookiecutter.package }}.monitoring.retrain import Retrainer


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def wait_for_end(retrainer: Retrainer) -> int:
    deadline = time.monotonic() + 20
    while (code := retrainer.finished()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return code


def test_never_two_at_once(tmp_path):
    retrainer = Retrainer(python("input()"), 0, tmp_path / "state.json")
    retrainer._command = python("import time; time.sleep(30)")
    assert retrainer.start_if_due()
    assert retrainer.running
    assert not retrainer.start_if_due()
    retrainer.stop()
    assert not retrainer.running


def test_the_pause_is_kept_across_restarts(tmp_path):
    state = tmp_path / "reports" / "state.json"
    first = Retrainer(python(""), 3600, state)
    assert first.start_if_due()
    assert wait_for_end(first) == 0
    assert not first.start_if_due()
    assert not Retrainer(python(""), 3600, state).start_if_due()
    state.write_text(json.dumps({"started": time.time() - 3601}))
    again = Retrainer(python("raise SystemExit(3)"), 3600, state)
    assert again.start_if_due()
    assert wait_for_end(again) == 3


@pytest.mark.parametrize("content", ["", "[]", '{"started": "soon"}'])
def test_a_damaged_state_does_not_stop_it(tmp_path, content):
    (tmp_path / "state.json").write_text(content)
    retrainer = Retrainer(python(""), 3600, tmp_path / "state.json")
    assert retrainer.start_if_due()
    assert wait_for_end(retrainer) == 0


def test_arguments_reach_no_shell(tmp_path):
    retrainer = Retrainer(
        [*python("import sys; sys.exit(sys.argv[1] != '$(id); x')"), "$(id); x"], 1, tmp_path / "s"
    )
    retrainer.start_if_due()
    assert wait_for_end(retrainer) == 0


def test_stopping_ends_what_the_command_started(tmp_path):
    marker = tmp_path / "pid"
    child = "import time; time.sleep(60)"
    parent = (
        "import pathlib, subprocess, sys; "
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}]); "
        f"pathlib.Path({str(marker)!r}).write_text(str(child.pid)); child.wait()"
    )
    retrainer = Retrainer(python(parent), 1, tmp_path / "s")
    retrainer.start_if_due()
    deadline = time.monotonic() + 20
    while not (marker.exists() and marker.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    retrainer.stop()
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", marker.read_text()], capture_output=True, text=True, check=False
    )
    assert state.stdout.strip() in {"", "Z"}
