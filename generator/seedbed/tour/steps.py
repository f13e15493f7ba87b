"""The steps of the tour, in order. Each does one thing for real and returns the line that sums it up."""

from __future__ import annotations

import contextlib
import json
import math
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seedbed import creation, spec_sources, toolchain
from seedbed.environments import operations, teardown, variables
from seedbed.environments.project import ensure_ready
from seedbed.errors import InfrastructureError
from seedbed.resources import resource
from seedbed.tour import flights, service
from seedbed.tour.state import Tour

JANUARY, JULY = 1, 7
_REQUESTS = 500
_MONITORED_ROWS = 5000
_BATCH = 100
_RELOAD_TIMEOUT = 60.0


def prepare(tour: Tour) -> str:
    """The Pulumi CLI, and the flights."""
    cli = toolchain.obtain(tour.progress.say)
    tour.months = flights.months((JANUARY, JULY), tour.logs / "flights.log")
    return f"Pulumi CLI {cli.version} from {cli.origin}; flights of 2013, month by month"


def generate(tour: Tour) -> str:
    """`seedbed new`."""
    answers = spec_sources.gather(spec_file=resource("examples") / flights.EXAMPLE / "seedbed.toml", environ={})
    created = creation.create(answers, tour.root)
    return f"{len(created.files)} files in {tour.root}, layers {', '.join(created.layers)}"


def set_up(tour: Tour) -> str:
    """`make setup`, and the first commit."""
    # A repository of its own, also where the tour runs inside another one.
    tour.tool("git", "init", "--quiet", "--initial-branch", "main", log="git")
    ensure_ready(tour.project, lambda _: None)
    tour.tool("git", "add", "--all", log="git")
    tour.tool("git", "commit", "--quiet", "--message", "Generate the project", log="git")
    return "locked dependencies installed, first commit made"


def provision(tour: Tour) -> str:
    """`seedbed up dev`."""
    outcome = operations.up(tour.project, tour.ENVIRONMENT, tour.progress)
    outputs = operations.outputs(tour.project, tour.ENVIRONMENT, tour.progress)
    tour.variables = variables.from_outputs(outputs)
    where = f"SeaweedFS at {outputs['s3_endpoint']}, MLflow at {outputs['mlflow_tracking_uri']}"
    return f"{outcome.changes.get('create', 0)} resources: {where}"


def version_data(tour: Tour) -> str:
    """January goes in and is pushed; a second clone pulls it and has the same."""
    version = _add_month(tour, JANUARY, replace=True)
    with tempfile.TemporaryDirectory(dir=tour.into) as temporary:
        clone = Path(temporary) / "clone"
        tour.tool("git", "clone", "--quiet", str(tour.root), str(clone), log="data")
        tour.tool("dvc", "pull", "data/raw.dvc", log="data", folder=clone)
        pulled = tour.python("-m", tour.package, "data", "version", log="data", folder=clone).split()[-1]
    if pulled != version:
        raise InfrastructureError(f"The clone pulled the data version {pulled}, and {version} was pushed")
    return f"January pushed; a second clone pulled the same version {version[:12]}"


def train(tour: Tour) -> str:
    """The Kubeflow pipeline, run locally; then `dvc repro` with the same result."""
    tour.python("-m", f"{tour.package}.pipelines", "run", log="pipeline")
    champion = _champion(tour)
    tour.tool("dvc", "repro", log="dvc-repro")
    metrics = json.loads((tour.root / "metrics.json").read_text(encoding="utf-8"))
    _commit(tour, "Train on January")
    for name, value in metrics["model"].items():
        if not math.isclose(champion["metrics"].get(name, math.nan), value):
            raise InfrastructureError(
                f"The pipeline and `dvc repro` differ: {name} is {champion['metrics'].get(name)} and {value}",
                hint=f"Compare {tour.logs / 'pipeline.log'} with {tour.logs / 'dvc-repro.log'}.",
            )
    name = metrics["metric"]
    value, baseline = metrics["model"][name], metrics["baseline"][name]
    tour.report.model = {"metric": name, "value": value, "baseline": baseline, "rows": metrics["rows"]}
    figures = f"{name} {value:.3f}, linear baseline {baseline:.3f}"
    return f"version {champion['version']} is champion: {figures}; dvc repro agrees"


def serve(tour: Tour) -> str:
    """The service answers real predictions."""
    model_service = _start(tour, "service", ["-m", f"{tour.package}.serving"], "/readyz")
    figures = _replay(tour, model_service, JANUARY, _REQUESTS, batch=1)
    tour.report.serving = {key: figures[key] for key in ("requests", "p50_ms", "p99_ms", "errors")}
    _expect_metric(model_service, "/metrics", "_total")
    times = f"p50 {figures['p50_ms']} ms, p99 {figures['p99_ms']} ms"
    return f"{figures['requests']} requests, {times}, {figures['errors']} errors"


def watch(tour: Tour) -> str:
    """July's flights arrive: drift is found, reported and exposed."""
    _replay(tour, tour.services[0], JULY, _MONITORED_ROWS, batch=_BATCH)
    time.sleep(1)  # the service writes its log behind the answers
    window = ("--window", str(_MONITORED_ROWS))
    tour.python("-m", f"{tour.package}.monitoring", "check", "--exit-zero", *window, log="monitoring")
    found = json.loads((tour.root / "reports" / "drift.json").read_text(encoding="utf-8"))
    for name in ("drift.html", "drift.json"):
        shutil.copyfile(tour.root / "reports" / name, tour.into / name)
    tour.report.drift = {"share": found["share"], "report": str(tour.into / "drift.html")}
    if not found["drift"]:
        raise InfrastructureError(f"July should differ from January, and only {found['share']:.0%} of the columns do")
    monitor = _start(tour, "monitor", ["-m", f"{tour.package}.monitoring", "serve"], "/metrics")
    _expect_metric(monitor, "/metrics", "drift_share")
    where = f"report in {tour.into / 'drift.html'}, metric at {monitor.url}/metrics"
    return f"{found['share']:.0%} of the columns drifted; {where}"


def retrain(tour: Tour) -> str:
    """With July in the data, the gate compares; then the champion is rolled back and the service follows."""
    before = _champion(tour)
    _add_month(tour, JULY, replace=False)
    output = tour.python("-m", f"{tour.package}.pipelines", "run", log="retraining")
    found = re.search(r"(promoted|refused): (version \d+: .+)", output)
    if not found:
        raise InfrastructureError("The retraining printed no decision of the gate", hint=f"See {tour.logs}")
    after, promoted = _champion(tour), found[1] == "promoted"
    decision = f"{found[1]}: {found[2].strip()}"
    tour.report.retraining = {"promoted": promoted, "champion": after["version"], "decision": decision}
    if promoted:
        _wait_for_version(tour, after["version"])
        tour.python("-m", tour.package, "rollback", log="rollback")
        _wait_for_version(tour, before["version"])
        decision += f"; served without a restart; rolled back to version {before['version']}"
        tour.report.retraining |= {"decision": decision, "rolled_back_to": before["version"]}
    return decision


def take_down(tour: Tour) -> str:
    """`seedbed down dev`, after everything that runs beside the environment."""
    for running in reversed(tour.services):
        running.stop()
    tour.services.clear()
    if not tour.root.is_dir():
        return "nothing was up"
    found = teardown.down(tour.project, tour.ENVIRONMENT, tour.progress, confirmed=tour.ENVIRONMENT)
    tour.report.leftovers = found.leftovers
    return f"gone; looked for {found.describe()}: none is left"


Step = tuple[str, Callable[[Tour], str]]
STEPS: tuple[Step, ...] = (
    ("Set-up", prepare),
    ("seedbed new", generate),
    ("make setup", set_up),
    ("seedbed up dev", provision),
    ("Data: January, versioned and pushed", version_data),
    ("Train: Kubeflow pipeline, then dvc repro", train),
    ("Serve predictions", serve),
    ("July arrives: drift", watch),
    ("Retrain, gate, roll back", retrain),
)
TAKE_DOWN: Step = ("seedbed down dev", take_down)


def _add_month(tour: Tour, month: int, *, replace: bool) -> str:
    arguments = ["data", "add", str(tour.months[month]), *(["--replace"] if replace else [])]
    tour.python("-m", tour.package, *arguments, log="data")
    _commit(tour, f"Data: add {tour.months[month].stem}")
    tour.tool("make", "push", log="data")
    return tour.python("-m", tour.package, "data", "version", log="data").split()[-1]


def _commit(tour: Tour, message: str) -> None:
    tour.tool("git", "add", "--all", log="git")
    tour.tool("git", "commit", "--quiet", "--allow-empty", "--message", message, log="git")


def _champion(tour: Tour) -> dict[str, Any]:
    champion: dict[str, Any] = json.loads(tour.python("-m", tour.package, "champion", log="champion"))
    return champion


def _start(tour: Tour, name: str, arguments: list[str], ready: str) -> service.Service:
    home = tour.project.home(tour.ENVIRONMENT)
    started = service.start(
        name, [str(tour.project.scripts / "python"), *arguments], tour.root,
        variables=tour.shell_variables(), log=tour.logs / f"{name}.log", home=home,
    )  # fmt: skip
    tour.services.append(started)
    started.wait_for(ready)
    return started


def _replay(tour: Tour, target: service.Service, month: int, rows: int, *, batch: int) -> dict[str, Any]:
    output = tour.python(
        "-m", f"{tour.package}.serving.load", "--url", target.url, "--file", str(tour.months[month]),
        "--rows", str(rows), "--batch", str(batch), "--concurrency", "1", log="load",
    )  # fmt: skip
    figures: dict[str, Any] = json.loads(output)
    return figures


def _expect_metric(target: service.Service, path: str, name: str) -> None:
    _, body = target.get(path)
    if not any(name in line and not line.startswith("#") for line in body.splitlines()):
        raise InfrastructureError(f"{target.url}{path} exposes no metric with '{name}' in its name")


def _wait_for_version(tour: Tour, version: str) -> None:
    """Wait until the service, which was not restarted, answers with this model version."""
    deadline = time.monotonic() + _RELOAD_TIMEOUT
    shown = ""
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            status, body = tour.services[0].get("/")
            shown = f"{status} {body}"
            if (json.loads(body)["model"] or {}).get("version") == version:
                return
        time.sleep(0.5)
    raise InfrastructureError(f"The service did not take up version {version} in {_RELOAD_TIMEOUT:.0f} s: {shown}")
