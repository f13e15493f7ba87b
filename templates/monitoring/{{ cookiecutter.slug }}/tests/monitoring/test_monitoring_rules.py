"""Alerts and dashboard ask for metrics that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from {{ cookiecutter.package }}.monitoring.metrics import Metrics
{%- if cookiecutter.serving != "none" %}
from {{ cookiecutter.package }}.serving.log import LogCounts
from {{ cookiecutter.package }}.serving.metrics import Metrics as ServingMetrics
{%- endif %}

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"\b(?:serving|drift|quality|performance|monitor|process)_[a-z_]+\b")
TEXT_FORMAT = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)


def existing() -> set[str]:
    text = Metrics().render().decode()
{%- if cookiecutter.serving != "none" %}
    text += ServingMetrics(lambda: {"predictions": LogCounts(0, 0, 0)}).render().decode()
{%- endif %}
    names = set()
    for name, kind in TEXT_FORMAT.findall(text):
        names |= {name, *(f"{name}_{part}" for part in ("bucket", "sum", "count") if kind == "histogram")}
    return names


def expressions() -> list[str]:
    rules = yaml.safe_load((ROOT / "prometheus/alerts.yml").read_text(encoding="utf-8"))
    (dashboard,) = (ROOT / "grafana/dashboards").glob("*.json")
    panels = json.loads(dashboard.read_text(encoding="utf-8"))["panels"]
    alerts = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    return alerts + [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.mark.parametrize("expression", expressions())
def test_every_metric_that_is_asked_for_exists(expression):
    asked = set(NAME.findall(expression))
    assert asked or "up{" in expression
    assert asked <= existing()


def test_panels_have_names_of_their_own_and_places_that_do_not_overlap():
    (dashboard,) = (ROOT / "grafana/dashboards").glob("*.json")
    panels = json.loads(dashboard.read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with Prometheus")
@pytest.mark.parametrize("command", ["check config prometheus.yml", "test rules alerts_test.yml"])
def test_prometheus_agrees(command):
    words = ["promtool", *command.split()]
    done = subprocess.run(words, cwd=ROOT / "prometheus", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
