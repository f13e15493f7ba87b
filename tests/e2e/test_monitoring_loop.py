"""Monitoring as a team would run it, with everything real.

The loop: drifted requests → metric → Prometheus → Alertmanager → webhook → training → new champion; with the project's own
configuration, of which only ports and times are changed. And a log that lies in an object store.
"""

import contextlib
import csv
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from tests.conftest import run
from tests.e2e.object_store import KEYS, object_store

PROGRAMS = {"prometheus": "prometheus", "alertmanager": "prometheus-alertmanager"}
MISSING = [name for name in PROGRAMS.values() if shutil.which(name) is None]
pytestmark = pytest.mark.project
TRAINING = ("validate", "prepare", "train", "evaluate", "register")


@dataclass
class Loop:
    """A project that has a champion, the ports of its four programs, and their logs."""

    root: Path
    python: str
    package: str
    ports: dict[str, int]
    logs: Path

    def url(self, name, path):
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    def start(self, stack, name, command):
        """A program that runs until the test ends."""
        log = stack.enter_context((self.logs / f"{name}.log").open("wb"))
        process = subprocess.Popen(
            command, cwd=self.root, env=self.environment(), stdout=log, stderr=log, start_new_session=True
        )
        stack.callback(end, process)

    def module(self, name, *arguments):
        return [self.python, "-m", f"{self.package}.{name}", *arguments]

    def environment(self):
        mine = {
            # The venv's own editable installation is another folder of the same project.
            "PYTHONPATH": str(self.root / "src"),
            "MODEL_POLL_SECONDS": "0.5",
            "ALERT_TOKEN_FILE": str(self.root / "alertmanager/token"),
        }
        return {**os.environ, **mine}

    def query(self, expression, at=None):
        """The values that Prometheus has for an expression."""
        asked = {"query": expression} | ({} if at is None else {"time": at})
        found = json.loads(get(self.url("prometheus", f"/api/v1/query?{urllib.parse.urlencode(asked)}")))
        return [float(series["value"][1]) for series in found["data"]["result"]]

    def said(self):
        """The ends of all logs, for the message of a failure."""
        ends = [f"== {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in sorted(self.logs.iterdir())]
        return "\n".join(ends)


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def end(process):
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def until(loop, what, condition, seconds=240):
    """Wait until a condition holds; an answer that isn't there yet is no failure."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if found := condition():
                return found
        assert time.monotonic() < deadline, f"no {what} within {seconds} s\n{loop.said()}"
        time.sleep(0.3)


def free_ports(names):
    with contextlib.ExitStack() as stack:
        sockets = {name: stack.enter_context(socket.socket()) for name in names}
        for one in sockets.values():
            one.bind(("127.0.0.1", 0))
        return {name: one.getsockname()[1] for name, one in sockets.items()}


@pytest.fixture(scope="module")
def trained(made, tmp_path_factory):
    """A clone of the project with a champion: others use the first one, and expect no model in it."""
    made.reset()
    root = tmp_path_factory.mktemp("monitored") / "project"
    assert run(["git", "clone", "--quiet", made.root, root], root.parent).returncode == 0
    steps = f"[['data', 'start'], *([one] for one in {TRAINING!r})]"
    code = f"import sys\nfrom {made.package}.__main__ import main\nsys.exit(any(main(step) for step in {steps}))"
    done = run([made.python, "-c", code], root, env={"PYTHONPATH": root / "src"})
    assert done.returncode == 0, done.stdout
    assert "promoted: version 1" in done.stdout
    return root


@pytest.fixture
def loop(made, trained, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    return Loop(trained, made.python, made.package, free_ports(["service", "monitor", *PROGRAMS]), logs)


@pytest.fixture
def store(tmp_path):
    """A client of a real S3 server with a bucket `logs`, and its address."""
    with object_store(tmp_path / "store", "logs") as (environment, client):
        yield client, environment["AWS_ENDPOINT_URL"]


def quick(loop):
    """The project's configuration with this test's ports, and seconds in the place of minutes."""
    ports = loop.ports
    (loop.root / "alertmanager/token").write_text("a secret of this test\n")
    path = loop.root / "prometheus/prometheus.yml"
    config = yaml.safe_load(path.read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{ports['alertmanager']}"]
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    jobs["serving"]["static_configs"][0]["targets"] = [f"127.0.0.1:{ports['service']}"]
    jobs["monitoring"]["static_configs"][0]["targets"] = [f"127.0.0.1:{ports['monitor']}"]
    path.write_text(yaml.safe_dump(config))
    path = loop.root / "prometheus/alerts.yml"
    rules = yaml.safe_load(path.read_text())
    for rule in [rule for group in rules["groups"] for rule in group["rules"]]:
        rule["for"] = "2s"
    path.write_text(yaml.safe_dump(rules))
    path = loop.root / "alertmanager/alertmanager.yml"
    config = yaml.safe_load(path.read_text())
    config["route"] |= {"group_wait": "10s", "group_interval": "1s", "repeat_interval": "2s"}
    (webhook,) = next(one for one in config["receivers"] if one["name"] == "retraining")["webhook_configs"]
    webhook["url"] = loop.url("monitor", "/alerts")
    path.write_text(yaml.safe_dump(config))


def start_monitor(loop, stack):
    arguments = ("--port", str(loop.ports["monitor"]), "--interval", "1", "--cooldown", "600")
    loop.start(stack, "monitor", loop.module("monitoring", "serve", *arguments))


def start_others(loop, stack):
    loop.start(stack, "service", loop.module("serving", "--port", str(loop.ports["service"])))
    for name, program in PROGRAMS.items():
        folder = loop.root / name
        storage = "--storage.tsdb.path" if name == "prometheus" else "--storage.path"
        command = [program, f"--config.file={folder / name}.yml", f"{storage}={loop.logs.parent / name}"]
        command += [f"--web.listen-address=127.0.0.1:{loop.ports[name]}"]
        loop.start(stack, name, command + (["--cluster.listen-address="] if name == "alertmanager" else []))


def drifted(root):
    """The sample's penguins, all of them larger: features and species."""
    measured = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
    with (root / "tests/data/sample.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            known = {name: value if value != "NA" else None for name, value in row.items()}
            larger = {name: known[name] and round(1.3 * float(known[name])) for name in measured}
            yield {"island": known["island"], "sex": known["sex"], **larger}, known["species"]


def send(loop, rows):
    """Ask about rows, then tell the truth about them."""
    for start in range(0, len(rows), 100):
        part = rows[start : start + 100]
        answer = post(loop.url("service", "/predict"), {"records": [features for features, _ in part]})
        labels = [
            {"id": prediction["id"], "actual": species}
            for prediction, (_, species) in zip(answer["predictions"], part, strict=True)
        ]
        post(loop.url("service", "/feedback"), {"labels": labels})


def expressions(root):
    (dashboard,) = (root / "grafana/dashboards").glob("*.json")
    panels = json.loads(dashboard.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.mark.skipif(bool(MISSING), reason=f"not on PATH: {', '.join(MISSING)} (Debian packages of these names)")
def test_drift_ends_in_a_new_champion_that_the_service_uses(loop):
    quick(loop)
    rows = list(drifted(loop.root))
    with contextlib.ExitStack() as stack:
        start_others(loop, stack)
        until(loop, "model in the service", lambda: get(loop.url("service", "/readyz")))
        send(loop, rows[:50])
        # Rates need two looks at a counter.
        until(loop, "first scrape", lambda: loop.query('sum(serving_http_requests_total{route="/predict"}) > 0'))
        send(loop, rows[50:])
        # Only now, so that its first look sees all predictions and labels, and both alerts come as one message. Worse
        # performance that is seen later is an alert of its own, which may start another training when the first has ended.
        start_monitor(loop, stack)

        alert = 'ALERTS{alertname="DriftDetected", alertstate="firing"}'
        until(loop, "alert", lambda: loop.query(f"{alert} and on () drift_rows{{side='current'}} == {len(rows)}"))
        fired = time.time()
        until(loop, "webhook", lambda: loop.query('monitor_alerts_total{result="started"} == 1'))
        until(loop, "end of the training", lambda: loop.query('monitor_retrains_total{result="succeeded"} == 1'))
        assert "promoted: version 2" in (loop.logs / "monitor.log").read_text(), loop.said()
        until(loop, "new model in the service", lambda: loop.query('serving_model_info{version="2"} == 1'))
        answer = post(loop.url("service", "/predict"), {"records": [rows[0][0]]})
        assert answer["model_version"] == "2"

        # What is asked stays watched; of the new version's answers there is one.
        judged = "drift_model_info{version='2'} and on () drift_rows{side='champion'} == 1"
        until(loop, "look at the new version", lambda: loop.query(judged))
        assert loop.query("drift_rows{side='current'}") == [len(rows) + 1]
        assert loop.query("performance_labels{model='other'}") == [len(rows)]
        # Alertmanager repeats the alert every two seconds.
        until(loop, "repeated alert", lambda: loop.query('monitor_alerts_total{result="repeated"} > 0'))
        assert loop.query("sum(monitor_retrains_total)") == [1]
        assert loop.query('monitor_alerts_total{result="started"}') == [1]

        for expression in expressions(loop.root):
            values = loop.query(expression, fired)
            assert values, f"nothing for {expression}"
            assert not all(math.isnan(value) for value in values), f"no number for {expression}"
    published = list((loop.root / "mlartifacts").glob("**/monitoring/*/drift.html"))
    assert published, loop.said()


def test_a_log_in_the_object_store_is_judged_and_one_out_of_reach_is_an_error(made, trained, store):
    client, endpoint = store
    command = [made.python, "-m", f"{made.package}.monitoring", "check", "--log", "s3://logs/team/a"]
    env = {**KEYS, "AWS_ENDPOINT_URL": endpoint, "PYTHONPATH": trained / "src"}
    version = json.loads(run([made.python, "-m", made.package, "champion"], trained, env=env).stdout)["version"]
    rows = list(drifted(trained))
    time = "2026-01-01T00:00:00.000+00:00"
    predictions = [
        {"id": str(number), "time": time, "model_version": version, "features": features, "prediction": "Adelie"}
        for number, (features, _) in enumerate(rows)
    ]
    feedback = [{"id": str(number), "time": time, "actual": species} for number, (_, species) in enumerate(rows)]
    for name, lines in {
        "predictions-20260101T000000Z.jsonl": predictions[:200],
        "predictions-20260102T000000Z.jsonl": predictions[200:],
        "feedback-20260103T000000Z.jsonl": feedback,
    }.items():
        body = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
        client.put_object(Bucket="logs", Key=f"team/a/{name}", Body=body)
    done = run(command, trained, env=env)
    assert done.returncode == 3, done.stdout
    report = json.loads((trained / "reports/drift.json").read_text())
    assert report["rows"]["current"] == report["performance"]["rows"] == len(rows)
    assert report["drift"] is True

    done = run(command, trained, env=env | {"AWS_SECRET_ACCESS_KEY": "wrong"})
    assert (done.returncode, "error: listing s3://logs/team/a" in done.stdout) == (1, True), done.stdout
    done = run(command, trained, env=env | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    assert (done.returncode, "next: " in done.stdout) == (1, True), done.stdout


def test_a_retraining_adds_labelled_rows_to_what_was_published_and_the_next_one_has_nothing_new(
    made, trained, tmp_path
):
    bucket = re.search(r"s3://([^/]+)/dvc", (trained / ".dvc/config").read_text())[1]
    log = tmp_path / "log"
    log.mkdir()
    time = "2026-01-01T00:00:00.000+00:00"
    rows = [
        (
            {"id": f"{number:032x}", "time": time, "model_version": "1", "features": features, "prediction": "Adelie"},
            species,
        )
        for number, (features, species) in enumerate(drifted(trained))
    ]
    labels = [{"id": row["id"], "time": time, "actual": species} for row, species in rows]
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}Z-1-000001.jsonl"
    for name, lines in {"predictions": [row for row, _ in rows], "feedback": labels}.items():
        (log / f"{name}-{stamp}").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with object_store(tmp_path / "store", bucket) as (environment, client):
        env = {**environment, "DATA_BUCKET": bucket, "PYTHONPATH": trained / "src"}

        def module(*arguments):
            return run([made.python, "-m", *arguments], trained, env=env)

        assert module("dvc", "push").returncode == 0
        assert module(f"{made.package}.pipelines", "publish").returncode == 0
        before, record = latest(client, bucket), (trained / "data/raw.dvc").read_text()
        done = module(f"{made.package}.monitoring", "retrain", "--log", log)
        assert done.returncode == 0, done.stdout
        version = latest(client, bucket)
        assert f"{len(rows)} rows in" in done.stdout
        assert version != before
        assert f"data {version[:8]}" in module(made.package, "versions").stdout.splitlines()[0]
        assert (trained / "data/raw.dvc").read_text() == record

        done = module(f"{made.package}.monitoring", "retrain", "--log", log)
        assert (done.returncode, "nothing new to train on: version" in done.stdout) == (4, True), done.stdout
        assert latest(client, bucket) == version

        # What was published is DVC's like any other version.
        (trained / "data/raw.dvc").write_text(record.replace(before, version))
        done = module("dvc", "pull", "data/raw.dvc")
        assert done.returncode == 0, done.stdout
        assert module(made.package, "data", "version").stdout.split()[-1] == version


def latest(client, bucket):
    return client.get_object(Bucket=bucket, Key="dvc/latest")["Body"].read().decode()
