"""What CI would run is run: each job's own commands, in order, on a fresh clone and against a running environment.

Taken out of the generated files, with the variables that a team would set. Not run are the steps that need another
machine; NOT_RUN says why. That GitLab's jobs call the same commands is shown in tests/unit/test_ci_files.py, so its
longest job isn't repeated here.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests import ci_model
from tests.ci_model import Event
from tests.conftest import ROOT, UV_CACHE, run
from tests.e2e.test_project import PENGUIN

from seedbed.environments import inventory

pytestmark = [pytest.mark.project, pytest.mark.engine]

NOT_RUN = {
    "actions/checkout": "the clone is made by the test",
    "actions/setup-python": "this machine's Python is used",
    "astral-sh/setup-uv": "uv comes from the lock, as where it is not installed",
    "actions/upload-artifact": "GitHub keeps artifacts; what would be kept is asserted",
    "actions/download-artifact": "the file is still there",
    "aws-actions/configure-aws-credentials": "needs GitHub's OIDC and AWS; without CI_ROLE_ARN it is skipped anyway",
}
# What the machines of the hosts have, and this one must not use: a package manager, and a program that talks to GitHub.
STUBS = ("apt-get", "gh")


def good(result):
    assert result.returncode == 0, result.stdout[-6000:]
    return result.stdout


class Runner:
    """A machine that runs jobs, each on a clean clone; what is installed stays, as a cache would keep it."""

    def __init__(self, folder, origin, variables):
        self.root = folder / "clone"
        self.stubs = folder / "stubs"
        self.calls = folder / "calls"
        self.variables = variables
        self.origin = origin
        good(run(["git", "clone", "--quiet", "--branch", "main", origin, self.root], folder))
        self.stubs.mkdir()
        for name in STUBS:
            stub = self.stubs / name
            stub.write_text(f'#!/bin/sh\necho {name} "$@" >> {self.calls}\n')
            stub.chmod(0o755)
        self.env = {
            "PATH": f"{self.stubs}{os.pathsep}{os.environ['PATH']}", "UV_CACHE_DIR": str(UV_CACHE), "CI": "true",
        }  # fmt: skip

    def fresh(self):
        self.checkout()
        good(run(["git", "clean", "-qfdx", "-e", ".venv"], self.root))
        self.calls.unlink(missing_ok=True)

    def checkout(self):
        """The branch as it is now, with the artifacts of an earlier job still there."""
        for command in (["fetch", "-q"], ["checkout", "-qf", "origin/main", "-B", "main"]):
            good(run(["git", *command], self.root))

    def called(self):
        return self.calls.read_text() if self.calls.exists() else ""

    def shell(self, script, env):
        return run(["bash", "-eo", "pipefail", "-c", script], self.root, env={**self.env, **env}, timeout=3600)


def run_github(runner, file, job, event, more=None):
    """Run a job's steps; the first that fails ends it."""
    workflow = ci_model.github(runner.root)[file]
    content = workflow["jobs"][job]
    more = {"matrix.python": "3.11", "needs.images.outputs.pipeline": "localhost/pipeline@sha256:0", **(more or {})}

    def values(section):
        return {
            name: "".join(
                str(ci_model.github_value(part[3:-2].strip(), event, more)) if part.startswith("${{") else part
                for part in _parts(str(text))
            )
            for name, text in section.items()
        }

    output = ""
    for step in content["steps"]:
        if "uses" in step:
            assert step["uses"].partition("@")[0] in NOT_RUN
            continue
        if not ci_model.github_step_runs(step, event, more):
            continue
        env = values(workflow.get("env", {})) | values(content.get("env", {})) | values(step.get("env", {}))
        given = {"GITHUB_REF_NAME": event.branch, "GITHUB_ACTIONS": "true"}
        result = runner.shell(step["run"], {**env, **given})
        output += good(result)
    return output


def _parts(text):
    import re

    return re.split(r"(\$\{\{.*?\}\})", text)


def run_gitlab(runner, file, job, event, more=None):
    content = ci_model.gitlab(runner.root)[file][job]
    # A cache of its own would be filled from the network; after_script, which trims it, is left out with it.
    section = {name: text for name, text in content.get("variables", {}).items() if name != "UV_CACHE_DIR"}
    env = {**section, **ci_model.gitlab_variables(event), "CI_PROJECT_DIR": str(runner.root), **(more or {})}
    return good(runner.shell("\n".join([*content.get("before_script", []), *content["script"]]), env))


@pytest.fixture(scope="module")
def module_env():
    """The isolation of each test, for what is made once for all of them."""
    env = {"SEEDBED_CACHE": os.environ["SEEDBED_CACHE"]} if "SEEDBED_CACHE" in os.environ else {}
    for role in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{role}_NAME": "Test", f"GIT_{role}_EMAIL": "test@localhost"}
    return env


@pytest.fixture(scope="module")
def environment(made, pulumi, module_env):
    """The team's project with its environment up, its data pushed and recorded in a commit."""

    def seedbed(*arguments):
        return good(run([sys.executable, "-m", "seedbed", *arguments], made.root, env=module_env))

    made.reset()
    good(run([made.python, "-m", made.package, "data", "start"], made.root))
    seedbed("up", "dev")
    try:
        values = json.loads(seedbed("outputs", "dev", "--format", "json"))
        good(made.make("push", env=values))
        good(run(["git", "add", "--all"], made.root))
        run(["git", "commit", "--quiet", "--message", "Record the data"], made.root, env=module_env)
        yield values
    finally:
        down = run([sys.executable, "-m", "seedbed", "down", "dev", "--yes"], made.root, env=module_env)
        made.reset()
    good(down)
    assert inventory.marked_processes(made.root / ".seedbed/environments/dev") == {}


@pytest.fixture(scope="module")
def runner(made, environment, module_env, tmp_path_factory):
    """A runner with a clone of the project in which both systems are chosen."""
    folder = tmp_path_factory.mktemp("runner")
    origin, work, both = folder / "origin.git", folder / "work", folder / "both"
    spec = ROOT / "examples/penguins/seedbed.toml"
    good(
        run(
            [sys.executable, "-m", "seedbed", "new", both, "--spec", spec, "--set", "choices.ci=both"],
            folder,
            env=module_env,
        )
    )
    good(run(["git", "clone", "--quiet", made.root, work], folder))
    for path in (p for p in both.rglob("*") if p.is_file()):
        target = work / path.relative_to(both)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    for command in (
        ["add", "--all"], ["commit", "--quiet", "--message", "Choose both"], ["clone", "--quiet", "--bare", ".", str(origin)],
        ["push", "--quiet", str(origin), "HEAD:main"],
    ):  # fmt: skip
        good(run(["git", *command], work, env=module_env))
    return Runner(folder, origin, environment)


@pytest.fixture
def event(environment):
    names = (
        "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "DATA_BUCKET",
        "ARTIFACT_BUCKET", "MLFLOW_TRACKING_URI",
    )  # fmt: skip
    given = {name: environment[name] for name in names}
    log = f"s3://{given['ARTIFACT_BUCKET']}/predictions"
    more = {"ENVIRONMENT": "dev", "PREDICTION_LOG": log, "COMMIT_MODEL": "true"}
    return Event("change", ("src/penguin_species/model.py",), variables=given | more)


@pytest.fixture
def gitlab_server():
    """Stands where GitLab's interface is, and keeps what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append((self.path, self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self.send_response(201)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


def test_the_check_of_a_change(runner, event):
    runner.fresh()
    output = run_github(runner, "ci", "check", event)
    assert " passed" in output
    assert (runner.root / "build/pipeline.yaml").is_file(), "the artifact"
    assert list((runner.root / ".kfp").glob("*/evaluate/reports/metrics.json")), "the pipeline ran"
    assert not list((runner.root / ".kfp").glob("*/register")), "and registered nothing"


@pytest.mark.parametrize("system", [run_github, run_gitlab])
def test_the_recorded_data_comes_out_of_the_store_and_is_valid(runner, event, system):
    runner.fresh()
    assert not (runner.root / ".dvc/cache").exists()
    assert "valid: 344 rows" in system(runner, "ci", "data", event)


def test_training_registers_in_the_environment_and_the_champion_is_committed_once(runner, event):
    runner.fresh()
    run_github(runner, "train", "train", event)
    named = json.loads((runner.root / "champion.json").read_text())
    assert set(named) >= {"version", "data_version", "metrics"}
    assert not (runner.root / "build/data.patch").exists(), "a change is trained as it is"
    before = head(runner)
    run_github(runner, "train", "record", event)
    assert committed(runner, since=before) == named
    before = head(runner)
    assert "the one of before" in run_github(runner, "train", "record", event)
    assert head(runner) == before


@pytest.fixture
def on_gitlab(runner):
    """What GitLab and the team set for a job that commits, and the way to the repository under GitLab's address."""
    address = "https://ci:letmein@gitlab.example.com/acme/penguins.git"
    Path(os.environ["GIT_CONFIG_GLOBAL"]).write_text(f'[url "{runner.origin}"]\n\tinsteadOf = {address}\n')
    good(run(["git", "config", "receive.advertisePushOptions", "true"], runner.origin))
    return {
        "GITLAB_PUSH_TOKEN": "letmein", "CI_SERVER_HOST": "gitlab.example.com", "CI_PROJECT_PATH": "acme/penguins",
        "GITLAB_USER_NAME": "Ada", "GITLAB_USER_EMAIL": "ada@localhost",
    }  # fmt: skip


def test_gitlab_commits_the_champion_once_too(runner, event, on_gitlab):
    """On top of what came to the branch while the model was trained."""
    runner.fresh()
    named = {"version": "7", "metrics": {}}
    (runner.root / "champion.json").write_text(json.dumps(named))
    push_something_else(runner)
    before = head(runner)
    run_gitlab(runner, "train", "record", event, on_gitlab)
    assert committed(runner, since=before) == named
    before = head(runner)
    assert "the one of before" in run_gitlab(runner, "train", "record", event, on_gitlab)
    assert head(runner) == before
    with pytest.raises(AssertionError, match="Set GITLAB_PUSH_TOKEN"):
        run_gitlab(runner, "train", "record", event, {**on_gitlab, "GITLAB_PUSH_TOKEN": ""})


def shown(runner, name):
    """A JSON file as it is on the main branch."""
    return json.loads(good(run(["git", "show", f"main:{name}"], runner.origin)))


def committed(runner, since, files=("champion.json",)):
    """The content of `champion.json` in the one commit that came to the main branch."""
    assert good(run(["git", "rev-parse", "main^"], runner.origin)).strip() == since
    assert set(good(run(["git", "diff", "--name-only", "main^", "main"], runner.origin)).split()) == set(files)
    assert "[skip ci]" in good(run(["git", "log", "-1", "--format=%s", "main"], runner.origin))
    return json.loads(good(run(["git", "show", "main:champion.json"], runner.origin)))


def head(runner):
    return good(run(["git", "rev-parse", "main"], runner.origin)).strip()


def push_something_else(runner, name="NOTES.md", change=lambda text: text + "something else\n"):
    """A commit by somebody else, from a clone of their own."""
    with tempfile.TemporaryDirectory(dir=runner.root.parent) as other:
        good(run(["git", "clone", "--quiet", "--branch", "main", runner.origin, other], runner.root))
        path = Path(other) / name
        path.write_text(change(path.read_text() if path.exists() else ""))
        for command in (["add", name], ["commit", "--quiet", "--message", "Note"], ["push", "--quiet"]):
            good(run(["git", *command], other))


def labelled(event, made, species, number=50):
    """Put into the store what a service would have logged, and the labels that arrived for it; gives their names."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    names = [uuid.uuid4().hex for _ in range(number)]
    features = [{**PENGUIN, "body_mass_g": PENGUIN["body_mass_g"] + place} for place in range(number)]
    rows = {
        "predictions": [
            {"id": name, "time": now, "model_version": "0", "features": given, "prediction": species}
            for name, given in zip(names, features, strict=True)
        ],
        "feedback": [{"id": name, "time": now, "actual": species} for name in names],
    }
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    for kind, lines in rows.items():
        put(event, made, f"{kind}-{stamp}.000000Z-1-{uuid.uuid4().hex[:6]}.jsonl", lines)
    return names


def predict(runner, event, made):
    """Put into the store what a service would have logged: the same penguin, two hundred times."""
    version = json.loads(good(run([made.python, "-m", made.package, "champion"], runner.root, env=event.variables)))[
        "version"
    ]
    lines = [
        {
            "id": f"{number:032x}", "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "model_version": version,
            "features": PENGUIN, "prediction": "Gentoo", "probability": 0.99,
        }
        for number in range(200)
    ]  # fmt: skip
    put(event, made, "predictions-1.jsonl", lines)


def put(event, made, name, lines):
    """Put a file of the log into the store."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    program = (
        "import os, sys, boto3; bucket = os.environ['ARTIFACT_BUCKET']; "
        "boto3.client('s3').put_object(Bucket=bucket, Key='predictions/' + sys.argv[1], Body=sys.stdin.buffer.read())"
    )
    subprocess.run(
        [made.python, "-c", program, name],
        input=text.encode(),
        env={**os.environ, **event.variables},
        check=True,
        timeout=120,
    )


def test_drift_starts_a_training_and_its_absence_does_not(runner, event, made, gitlab_server):
    url, asked = gitlab_server
    api = {"CI_API_V4_URL": url, "CI_PROJECT_ID": "5", "CI_JOB_TOKEN": "job"}
    runner.fresh()
    run_gitlab(runner, "drift", "drift", event, api)
    assert asked == []
    predict(runner, event, made)
    run_github(runner, "drift", "drift", event)
    assert "gh workflow run train.yml --ref main" in runner.called()
    assert (runner.root / "reports/drift.html").is_file(), "the artifact"
    run_gitlab(runner, "drift", "drift", event, api)
    ((path, form),) = asked
    assert path == "/projects/5/trigger/pipeline"
    assert urllib.parse.unquote(form).count("job") >= 1
    assert "main" in form
    # And that is what the training listens to.
    started = Event("started", schedule="train", variables=event.variables)
    for jobs in ci_model.started(ci_model.github(runner.root), ci_model.gitlab(runner.root), started):
        assert "train/train" in jobs


def test_a_drift_check_that_fails_is_red_and_starts_nothing(runner, event):
    runner.fresh()
    broken = Event("change", variables={**event.variables, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})
    with pytest.raises(AssertionError, match="MLflow"):
        run_github(runner, "drift", "drift", broken)
    assert "workflow run" not in runner.called()


@pytest.mark.parametrize("system", [run_github, run_gitlab])
def test_what_was_labelled_since_is_trained_on_and_committed(runner, event, made, on_gitlab, system):
    """By the schedule, with everything real: the store, DVC, the registry, and Git."""
    runner.fresh()
    names = labelled(event, made, "Gentoo" if system is run_github else "Adelie")
    weekly = replace(event, kind="schedule", schedule="train")
    output = system(runner, "train", "train", weekly)
    assert f"{len(names)} rows in data/raw/feedback-" in output
    assert good(run(["git", "status", "--porcelain"], runner.root)).split()[1:] in ([], ["champion.json"])
    patch = (runner.root / "build/data.patch").read_text()
    (version,) = re.findall(r"^\+.*md5: (\w+\.dir)$", patch, re.MULTILINE)
    listed = good(run([made.python, "-m", made.package, "versions"], runner.root, env=event.variables))
    assert f"data {version[:8]}" in listed.splitlines()[0], "the newest model was trained on it"
    before, champion = head(runner), json.loads((runner.root / "champion.json").read_text())
    changed = {"data/raw.dvc"} | ({"champion.json"} if champion != shown(runner, "champion.json") else set())
    system(runner, "train", "record", weekly, on_gitlab)
    committed(runner, since=before, files=changed)
    assert version in good(run(["git", "show", "main:data/raw.dvc"], runner.origin))
    # From there the next training finds nothing that it would collect a second time.
    runner.fresh()
    assert "no new rows" in good(runner.shell(".venv/bin/python ci/collect.py", event.variables))
    assert not (runner.root / "build/data.patch").exists()


def test_data_that_somebody_else_recorded_meanwhile_stays(runner, event, made):
    runner.fresh()
    labelled(event, made, "Chinstrap")
    assert "latest is" in good(runner.shell("make setup\n.venv/bin/python ci/collect.py", event.variables))
    push_something_else(runner, "data/raw.dvc", lambda text: text.replace("md5: ", "md5: 0", 1))
    before = head(runner)
    runner.checkout()
    assert "the next training collects anew" in run_github(runner, "train", "record", event)
    assert head(runner) == before
    push_something_else(runner, "data/raw.dvc", lambda text: text.replace("md5: 0", "md5: ", 1))
