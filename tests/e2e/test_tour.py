"""The whole way on real data, as `make demo` runs it, and its report as others may rely on it."""

import json
import os
import signal
import subprocess
import sys

import pytest

from seedbed.environments import inventory

pytestmark = [pytest.mark.engine, pytest.mark.project]


def test_the_tour_goes_the_whole_way_and_leaves_nothing(seedbed, tmp_path):
    result = seedbed("tour", "--into", "tour", timeout=1500)
    assert result.code == 0, result.out + result.err
    report = json.loads((tmp_path / "tour" / "report.json").read_text())
    assert report["ok"] is True
    assert report["leftovers"] == []
    assert all(step["ok"] and step["seconds"] >= 0 for step in report["steps"])
    assert [step["name"] for step in report["steps"]][-1] == "seedbed down dev"
    assert report["model"]["metric"] == "roc_auc"
    assert report["model"]["value"] > report["model"]["baseline"] > 0.5
    assert report["serving"]["requests"] == 500
    assert report["serving"]["errors"] == 0
    assert 0 < report["serving"]["p50_ms"] <= report["serving"]["p99_ms"]
    assert report["drift"]["share"] > 0.3
    assert (tmp_path / "tour" / "drift.html").stat().st_size > 100_000
    assert inventory.marked_processes(tmp_path / "tour" / "flight-delays" / ".seedbed" / "environments" / "dev") == {}
    assert "leftovers none" in result.out


def test_a_folder_that_no_tour_made_is_not_touched(seedbed, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("precious")
    result = seedbed("tour", "--into", "mine")
    assert result.code == 5
    assert (tmp_path / "mine" / "file").read_text() == "precious"


def test_a_failure_names_the_step_and_takes_everything_down(seedbed, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "from seedbed.tour import steps\n"
        "from seedbed.errors import InfrastructureError\n"
        "def broken(tour): raise InfrastructureError('the store died', hint='try again')\n"
        "steps.STEPS = (*steps.STEPS[:4], ('Data', broken))\n"
    )
    result = seedbed("tour", "--into", "tour", env={"PYTHONPATH": str(tmp_path)}, timeout=900)
    assert result.code == 7
    assert "The tour failed at 'Data': the store died" in result.err
    report = json.loads((tmp_path / "tour" / "report.json").read_text())
    assert report["ok"] is False
    assert report["leftovers"] == []
    assert report["steps"][-1] == {**report["steps"][-1], "name": "seedbed down dev", "ok": True}


def test_a_terminated_tour_takes_everything_down(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import time\n"
        "from seedbed.tour import steps\n"
        "def wait(tour):\n"
        "    print('waiting', flush=True)\n"
        "    while True: time.sleep(0.05)\n"  # a signal between two instructions doesn't end the sleep that comes next
        "steps.STEPS = (*steps.STEPS[:4], ('Wait', wait))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "seedbed", "tour", "--into", "tour"], cwd=tmp_path, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    with process.stdout as stdout:
        assert stdout.readline() == "waiting\n"
        home = tmp_path / "tour" / "flight-delays" / ".seedbed" / "environments" / "dev"
        assert len(inventory.marked_processes(home)) >= 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(300) == 130
    assert inventory.marked_processes(home) == {}
    assert not home.exists()
    assert json.loads((tmp_path / "tour" / "report.json").read_text())["error"] == "Interrupted"
