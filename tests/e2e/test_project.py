"""The generated project in a team's hands: every verb of its Makefile, on real data, and what happens when things break."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from tests.conftest import run

from seedbed.environments import inventory

pytestmark = pytest.mark.project


def good(result):
    assert result.returncode == 0, result.stdout
    return result.stdout


def test_help_lists_every_verb(made):
    listed = good(made.make("help"))
    for verb in ("setup", "lint", "test", "train", "serve", "monitor", "data", "push", "pipeline", "rollback", "lock"):
        assert f"\n  {verb} " in f"\n{listed}"


def test_train_registers_a_champion_and_again_does_nothing(made):
    assert "promoted: version 1" in good(made.make("train"))
    metrics = json.loads((made.root / "metrics.json").read_text())
    assert metrics["model"][metrics["metric"]] > metrics["constant"][metrics["metric"]]
    for card in ("model_card.md", "dataset_card.md"):
        assert "penguin" in (made.root / "reports" / card).read_text().lower()
    before = (made.root / "dvc.lock").read_text()
    assert "unchanged: version 1: " in good(made.make("train"))
    assert (made.root / "dvc.lock").read_text() == before


def test_training_again_on_the_same_data_gives_the_same_model_and_no_new_version(made):
    """By DVC and by the pipeline: else each retraining would put a copy in the champion's place."""

    def models():
        trained = yaml.safe_load((made.root / "dvc.lock").read_text())["stages"]["train"]["outs"]
        return {out["path"]: out["md5"] for out in trained if out["path"] in {"models/model", "models/baseline"}}

    before, tools = models(), Path(made.python).parent
    forced = [made.python, "-m", "dvc", "repro", "--force", "--single-item", "train"]
    good(run(forced, made.root, env={"PATH": f"{tools}:{os.environ['PATH']}"}))
    assert models() == before
    assert len(before) == 2
    assert "version 1: this training gave the very same model" in good(
        run([made.python, "-m", f"{made.package}.pipelines", "run"], made.root)
    )
    listed = good(run([made.python, "-m", made.package, "versions"], made.root))
    assert len(listed.splitlines()) == 1
    assert "champion" in listed


@contextlib.contextmanager
def running(made, verb, tmp_path):
    """A verb that keeps running; ends with SIGTERM, as a supervisor would end it."""
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            ["make", verb, f"ARGS=--port {port}"] if verb == "serve" else ["make", verb, f"ARGS=serve --port {port}"],
            cwd=made.root, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(90)  # a check that is under way is finished first


def free_port():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(url, body=None, until=200, timeout=90):
    """The answer's JSON, waiting until the status is the wanted one."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=10) as response:
                status, text = response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        except OSError as error:
            status, text = 0, str(error)
        if status == until:
            return text
        assert time.monotonic() < deadline, f"{url}: {status} {text}"
        time.sleep(0.2)


PENGUIN = {
    "island": "Biscoe",
    "bill_length_mm": 46.1,
    "bill_depth_mm": 13.2,
    "flipper_length_mm": 211,
    "body_mass_g": 4500,
    "sex": None,
}


def test_serve_answers_and_monitor_reports(made, tmp_path):
    with running(made, "serve", tmp_path) as (url, _):
        ask(url + "/readyz")
        answer = json.loads(ask(url + "/predict", {"records": [PENGUIN] * 200}))
        assert answer["predictions"][0]["prediction"] == "Gentoo"
        assert "Field required" in ask(url + "/predict", {"island": "Biscoe"}, until=422)
        with pytest.raises(AssertionError, match="404"):
            ask(url + "/nothing", timeout=0)
    lines = [
        line for path in (made.root / "logs/predictions").glob("*.jsonl") for line in path.read_text().splitlines()
    ]
    assert len(lines) == 200
    assert json.loads(lines[0])["features"] == PENGUIN
    good(made.make("monitor"))
    report = json.loads((made.root / "reports/drift.json").read_text())
    assert report["drift"] is True, "the same penguin 200 times is not what the model was trained on"
    with running(made, "monitor", tmp_path) as (url, _):
        assert "drift_share" in ask(url + "/metrics")


def test_bad_data_is_refused_with_the_first_violations_and_changes_nothing(made, tmp_path):
    before = (made.root / "data/raw.dvc").read_text()
    bad = tmp_path / "bad.csv"
    bad.write_text(
        "species,island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex\nAdelie,Biscoe,long,18,181,3750,male\n"
    )
    result = made.make("data", f"FILE={bad}")
    assert result.returncode != 0
    assert "bill_length_mm" in result.stdout
    assert "'long'" in result.stdout
    assert (made.root / "data/raw.dvc").read_text() == before
    assert sorted(p.name for p in (made.root / "data/raw").iterdir()) == ["sample.csv"]


def test_an_older_commit_trains_on_its_own_data(made, tmp_path):
    before = (made.root / "data/raw.dvc").read_text()
    good(run(["git", "add", "--all"], made.root))
    good(run(["git", "commit", "--quiet", "--message", "First"], made.root))
    lines = (made.root / "tests/data/sample.csv").read_text().splitlines(keepends=True)
    (tmp_path / "feb.csv").write_text(lines[0] + "".join(lines[1::5]))
    good(made.make("data", f"FILE={tmp_path / 'feb.csv'}"))
    good(run(["git", "commit", "--quiet", "--all", "--message", "Second"], made.root))
    good(run(["git", "checkout", "--quiet", "HEAD~1"], made.root))
    shown = good(made.make("train"))
    assert "was brought to" in shown
    assert (made.root / "data/raw.dvc").read_text() == before
    assert [path.name for path in (made.root / "data/raw").iterdir()] == ["sample.csv"]
    assert good(run(["git", "status", "--porcelain", "data"], made.root)) == ""


def test_new_data_is_a_new_version_and_a_new_model(made, tmp_path):
    lines = (made.root / "tests/data/sample.csv").read_text().splitlines(keepends=True)
    (tmp_path / "more.csv").write_text(lines[0] + "".join(lines[1::3]))
    before = (made.root / "data/raw.dvc").read_text()
    good(made.make("data", f"FILE={tmp_path / 'more.csv'}"))
    assert (made.root / "data/raw.dvc").read_text() != before
    assert "version 2" in good(made.make("train"))


def test_rollback_goes_back(made):
    champion = json.loads(good(run([made.python, "-m", made.package, "champion"], made.root)))
    if champion["version"] == "2":
        assert "version 1 again" in good(made.make("rollback"))
    else:
        result = made.make("rollback")
        assert result.returncode != 0
        assert "first champion" in result.stdout


@pytest.mark.engine
def test_a_store_that_dies_under_the_pipeline_is_a_clear_error(made, pulumi, seedbed):
    root = made.root
    home = root / ".seedbed/environments/dev"
    assert seedbed("up", "dev", cwd=root).code == 0
    try:
        values = seedbed("outputs", "dev", "--format", "json", cwd=root).json
        good(run(["make", "push"], root, env=values))
        status = seedbed("status", "dev", "--json", cwd=root).json
        os.kill(next(p["pid"] for p in status["processes"] if p["name"] == "store"), signal.SIGKILL)
        started = time.monotonic()
        result = run([made.python, "-m", f"{made.package}.pipelines", "run"], root, env=values)
        assert result.returncode == 1
        assert time.monotonic() - started < 120
        assert "Traceback" not in result.stdout.splitlines()[-1]
        assert values["AWS_ENDPOINT_URL"] in result.stdout
        assert "next:" in result.stdout
        # Nothing was lost: after a repair the same command works.
        assert seedbed("up", "dev", cwd=root).code == 0
        good(run([made.python, "-m", f"{made.package}.pipelines", "run"], root, env=values))
    finally:
        result = seedbed("down", "dev", "--yes", cwd=root)
    assert result.code == 0, result.err
    assert inventory.marked_processes(home) == {}


def test_setup_works_without_uv_on_the_path(made, tmp_path):
    """pip bootstraps the locked uv; only that part is shown, in a copy without its environment."""
    copy = tmp_path / "copy"
    shutil.copytree(made.root, copy, ignore=shutil.ignore_patterns(".venv", ".seedbed", ".git", "mlartifacts", ".kfp"))
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("make", "git", "sh", "awk", "env", "touch", "test", "python3", "rm", "grep", "sed"):
        if found := shutil.which(name):
            (tools / name).symlink_to(os.path.realpath(found) if name != "python3" else found)
    output = good(run(["make", "setup"], copy, env={"PATH": str(tools)}))
    assert "next: git add --all && git commit" in output
    assert good(run(["git", "symbolic-ref", "HEAD"], copy)).strip() == "refs/heads/main"
    assert (copy / ".venv/bin/uv").is_file()
