"""The Kubeflow client in a team's hands: real Git, a real DVC push to a real store, and what a pod then fetches.

A real Kubeflow API server needs a cluster, and its Go module can't be had from the module proxy. So the server is
the one of the generated project's own tests: it speaks API v2beta1 strictly, through Kubeflow's own models.
"""

import contextlib
import os
import shutil
import subprocess

import pytest
from tests.conftest import run

pytestmark = [pytest.mark.project, pytest.mark.engine]

SERVER = """
import sys
sys.path[:0] = ["tests/pipelines", "tests"]
import conftest
with conftest.serving(conftest.Kubeflow()) as server:
    print(server.url, flush=True)
    sys.stdin.read()
    print(len(server.runs), flush=True)
"""
FETCH = """
import sys
from pathlib import Path
from {package}.pipelines import commits, store
source = store.open_store()
version, commit = commits.settle(sys.argv[1], sys.argv[2], source)
print(version, *[path.name for path in store.fetch(source, version, Path("volume") / version)])
"""


def good(result):
    assert result.returncode == 0, result.stdout
    return result.stdout


def refused(result, *words):
    assert result.returncode != 0, result.stdout
    for word in words:
        assert word in result.stdout


@contextlib.contextmanager
def kubeflow(made, root):
    process = subprocess.Popen(
        [made.python, "-c", SERVER], cwd=root, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield process.stdout.readline().strip()
    finally:
        process.communicate(timeout=30)


@pytest.fixture
def copy(made, tmp_path):
    """A repository of its own, so that the commits stay out of other tests."""
    made.reset()
    root = tmp_path / "copy"
    left_out = shutil.ignore_patterns(".venv", ".seedbed", ".kfp", "mlartifacts", "mlflow.db*", "registry", "raw.dvc")
    shutil.copytree(made.root, root, ignore=left_out)
    return root


def test_a_run_is_submitted_for_what_was_committed_and_pushed_and_a_pod_fetches_exactly_that(
    made, copy, pulumi, seedbed, tmp_path
):
    def pipelines(*arguments, **env):
        return run([made.python, "-m", f"{made.package}.pipelines", *arguments], copy, env={**values, **env})

    def commit():
        good(run(["git", "add", "--all"], copy))
        good(run(["git", "commit", "--quiet", "--message", "Data"], copy))
        return good(run(["git", "rev-parse", "HEAD"], copy)).strip()

    def fetch(*arguments, **env):
        pod = tmp_path / "pod"
        shutil.rmtree(pod, ignore_errors=True)
        (pod / "data").mkdir(parents=True)
        shutil.copyfile(copy / "data/raw.dvc", pod / "data/raw.dvc")
        program = FETCH.format(package=made.package)
        ceiling = {"GIT_CEILING_DIRECTORIES": str(tmp_path)}
        return run([made.python, "-c", program, *arguments], pod, env={**values, **ceiling, **env})

    assert seedbed("up", "dev", cwd=copy).code == 0
    try:
        values = seedbed("outputs", "dev", "--format", "json", cwd=copy).json
        values = {name: str(value) for name, value in values.items()}
        first = good(run([made.python, "-m", made.package, "data", "start"], copy)).split()[-1]
        before = commit()
        with kubeflow(made, copy) as url:
            there = {"KFP_ENDPOINT": url}
            refused(pipelines("submit", **there), "the store lacks", "make push")
            good(run([made.python, "-m", "dvc", "push"], copy, env=values))
            good(pipelines("publish"))
            shown = good(pipelines("submit", "--wait", **there))
            assert before in shown
            assert first in shown
            assert shown.endswith("succeeded\n")

            lines = (copy / "tests/data/sample.csv").read_text().splitlines(keepends=True)
            (tmp_path / "more.csv").write_text("".join(lines[: len(lines) // 2]))
            good(run([made.python, "-m", made.package, "data", "add", tmp_path / "more.csv"], copy))
            refused(pipelines("submit", **there), "files differ from commit", "--unrecorded")
            after = commit()
            second = good(run([made.python, "-m", made.package, "data", "version"], copy)).strip()
            refused(pipelines("submit", **there), "the store lacks", "make push")
            good(run([made.python, "-m", "dvc", "push"], copy, env=values))
            good(pipelines("submit", "--commit", after, "--data-version", second, **there))
        refused(pipelines("submit", KFP_ENDPOINT=url), f"the Kubeflow server at {url} doesn't answer")

        assert good(fetch(after, "", GIT_COMMIT=after)).split() == [second, "more.csv", "sample.csv"]
        assert good(fetch("", "latest", GIT_COMMIT=after)).split() == [first, "sample.csv"]
        refused(fetch(after, first, GIT_COMMIT=after), f"commit {after} names data version {second}, not {first}")
        refused(fetch(before, "", GIT_COMMIT=after), f"built from commit {after}, and the run is for {before}")
    finally:
        result = seedbed("down", "dev", "--yes", cwd=copy)
    assert result.code == 0, result.err


def test_it_compiles_without_an_environment(made, copy):
    clean = {name: "" for name in os.environ if name.startswith(("KFP_", "AWS_"))}
    result = run([made.python, "-m", f"{made.package}.pipelines", "compile", "--image", "x@sha256:0"], copy, env=clean)
    assert "x@sha256:0" in (copy / good(result).strip()).read_text()
