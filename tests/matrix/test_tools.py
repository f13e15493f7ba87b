"""Types, graphs and pipelines of every combination, by the tools of one environment that holds all of the lock."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.conftest import ROOT, UV_CACHE, run
from tests.matrix import combinations

pytestmark = pytest.mark.project

# What the sources, the stages and the pipeline depend on; the other choices touch none of them.
SOURCES = ("project.task", "choices.serving", "choices.tracking", "choices.monitoring")


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """The commands of an environment with everything that any layer can ask for."""
    folder = tmp_path_factory.mktemp("tools") / ".venv"
    env = {"UV_CACHE_DIR": str(UV_CACHE), "VIRTUAL_ENV": str(folder)}
    uv = Path(sys.executable).parent / "uv"
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, folder],
        [uv, "pip", "sync", "--quiet", "--require-hashes", ROOT / "templates/requirements.lock"],
    ):
        done = run(command, ROOT, env=env)
        assert done.returncode == 0, done.stdout
    return folder / "bin"


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """One project of each combination that has sources of its own, each under a name of its own."""
    root = tmp_path_factory.mktemp("projects")
    rows = {tuple(row[key] for key in SOURCES): row for row in reversed(combinations.every())}
    made = []
    for number, row in enumerate(rows.values()):
        made.append(combinations.create(row | {"project.name": f"Model {number:02} of all"}, root / str(number)))
    return made


def mypy_settings(project):
    text = (project / "pyproject.toml").read_text()
    text = text[text.index("[tool.mypy]") : text.index("[tool.pytest")]
    package = next((project / "src").iterdir()).name
    return "\n".join(line for line in text.splitlines() if not line.startswith("files =")).replace(package, "*")


def test_types(projects, tools, checked):
    """One run over all of them: each is a package of its own, and the libraries' types are read once."""
    root = projects[0].parent
    # The settings of the project with most choices name every library that any of them has.
    config = max((mypy_settings(project) for project in projects), key=len)
    (root / "pyproject.toml").write_text(config)
    done = run([tools / "python", "-m", "mypy", "--config-file", root / "pyproject.toml",
                *[project / "src" for project in projects]], root, timeout=900)  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    checked(f"mypy --strict: {len(projects)} distinct packages")


def test_the_pipeline_compiles(projects, tools, tmp_path, checked):
    seen = set()
    for project in projects:
        package = next((project / "src").iterdir()).name
        sources = "".join(p.read_text() for p in sorted((project / "src" / package / "pipelines").glob("*.py")))
        if (key := sources.replace(package, "")) in seen:
            continue
        seen.add(key)
        out = tmp_path / f"{package}.yaml"
        done = run([tools / "python", "-m", f"{package}.pipelines", "compile", "--image", "localhost/x:1", "--output", out],
                   project, env={"PYTHONPATH": str(project / "src")})  # fmt: skip
        assert done.returncode == 0, done.stdout
        assert next(yaml.safe_load_all(out.read_text()))["pipelineInfo"]
    assert seen
    checked(f"kfp compile: {len(seen)} distinct pipelines")


def test_dvc_draws_its_graph(projects, tools, checked):
    seen = set()
    for project in projects:
        package = next((project / "src").iterdir()).name
        stages = (project / "dvc.yaml").read_text().replace(package, "")
        if stages in seen:
            continue
        seen.add(stages)
        subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
        done = run([tools / "dvc", "dag", "--mermaid"], project)
        assert done.returncode == 0, done.stdout
        for stage in ("validate", "prepare", "train", "evaluate"):
            assert stage in done.stdout
    assert seen
    checked(f"dvc dag: {len(seen)} distinct graphs")
