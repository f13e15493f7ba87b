"""The image's list of requirements, which no other test would notice to be wrong."""

from __future__ import annotations

import ast
import re
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "{{ cookiecutter.package }}"


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def listed() -> set[str]:
    lines = (ROOT / "requirements-serving.in").read_text(encoding="utf-8").splitlines()
    return {normal(line) for line in lines if line and not line.startswith("#")}


def imported(source: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_everything_listed_is_locked():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert listed() <= {normal(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)}


def test_what_the_service_imports_is_listed():
    sources = [
        *(PACKAGE / "serving").glob("*.py"),
        *(PACKAGE / name for name in ("model.py", "data.py", {% if cookiecutter.tracking %}"tracking.py", {% endif %}"registry.py")),
    ]
    known = packages_distributions()
    needed = {name for source in sources for name in imported(source) if name in known}
    assert {"{{ cookiecutter.serving }}", "sklearn", "skops"} <= needed
    # Several packages may hold a module: the project has some whole, of which the image has a slimmer one.
    assert [name for name in sorted(needed) if listed().isdisjoint(map(normal, known[name]))] == []


def test_the_container_that_the_page_shows_keeps_its_log():
    """Also with an environment that was copied from the example."""
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert re.findall(r"^(?:PREDICTION_LOG|LOG_SPOOL)=", example, re.MULTILINE) == []
    page = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
    (volume,) = re.findall(r"^docker run .*--volume \S+:(/\S+) ", page, re.MULTILINE)
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    folders = re.findall(r"\b(?:PREDICTION_LOG|LOG_SPOOL)=(\S+)", dockerfile)
    assert [Path(folder).is_relative_to(volume) for folder in folders] == [True, True]
