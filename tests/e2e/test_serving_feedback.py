"""From predictions to training data: labels that arrive later are joined with the log, in a folder and in an object store."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import urllib.request

import pytest
from tests.conftest import run
from tests.e2e.object_store import object_store

pytestmark = pytest.mark.project

PENGUIN = {
    "island": "Biscoe",
    "bill_length_mm": 46.1,
    "bill_depth_mm": 13.2,
    "flipper_length_mm": 211,
    "body_mass_g": None,
    "sex": None,
}


@pytest.fixture
def copy(made, tmp_path):
    """The project with a champion, in a folder that the test may change, with the environment of the first one."""
    result = made.make("train")
    assert result.returncode == 0, result.stdout
    left_out = shutil.ignore_patterns(".venv", ".seedbed", "logs", ".git")
    root = shutil.copytree(made.root, tmp_path / "copy", ignore=left_out)
    (root / ".venv").symlink_to(made.root / ".venv")
    assert run(["git", "init", "--quiet"], root).returncode == 0
    return root


@pytest.fixture
def bucket(tmp_path):
    """What a project is told about a real object store with an empty bucket, and a client of it."""
    with object_store(tmp_path / "store", "logs") as opened:
        yield opened


@contextlib.contextmanager
def serving(made, root, environment):
    """The service, told to stop at the end; it has then written down everything."""
    command = [made.python, "-m", f"{made.package}.serving", "--port", "0"]
    quick = {"MODEL_POLL_SECONDS": "0.5", "DRAIN_SECONDS": "0"}
    env = {**os.environ, **environment, **quick, "PYTHONPATH": str(root / "src")}
    with subprocess.Popen(command, cwd=root, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield re.search(r"http://\S+", process.stdout.readline())[0]
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def wait_until_ready(url):
    for _ in range(240):
        with contextlib.suppress(OSError), urllib.request.urlopen(url + "/readyz", timeout=10):
            return
        # The start is mostly imports: nothing to wait for but time.
        subprocess.run(["sleep", "0.25"], check=True)
    pytest.fail("the service has no model")


def predict_and_label(url, rows):
    wait_until_ready(url)
    answers = post(url + "/predict", {"records": [PENGUIN] * (rows + 1)})["predictions"]
    labels = [{"id": answer["id"], "actual": "Chinstrap"} for answer in answers[:rows]]
    assert post(url + "/feedback", {"labels": labels}) == {"accepted": rows, "unknown": 0}


@pytest.mark.parametrize("where", ["folder", "store"])
def test_labels_that_arrive_become_training_data_once(made, copy, where, request):
    environment = {"PREDICTION_LOG": "logs/predictions", "LOG_FILE_BYTES": "4096"}
    if where == "store":
        keys, store = request.getfixturevalue("bucket")
        environment |= {**keys, "PREDICTION_LOG": "s3://logs/penguins", "LOG_UPLOAD_SECONDS": "0.5"}
    with serving(made, copy, environment) as url:
        predict_and_label(url, rows=40)
    if where == "store":
        keys = [item["Key"] for item in store.list_objects_v2(Bucket="logs")["Contents"]]
        assert {key.rsplit("/", 1)[0] for key in keys} == {"penguins"}
        assert {re.split("[/-]", key)[1] for key in keys} == {"predictions", "feedback"}
        assert list((copy / "logs/spool").iterdir()) == []
    before = (copy / "data/raw.dvc").read_text()
    environment |= {"PYTHONPATH": str(copy / "src")}
    result = run(["make", "feedback"], copy, env=environment)
    assert result.returncode == 0, result.stdout
    assert "40 rows in data/raw/feedback-" in result.stdout
    assert (copy / "data/raw.dvc").read_text() != before
    result = run(["make", "feedback"], copy, env=environment)
    assert "no new rows; 40 labels were collected before" in result.stdout
    result = run([made.python, "-m", made.package, "validate"], copy, env=environment)
    assert result.returncode == 0, result.stdout
    assert len(list((copy / "data/raw").glob("feedback-*"))) == 1
