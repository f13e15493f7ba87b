import re
import shutil
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.matrix import combinations


@dataclass
class Rendered:
    """Every combination was rendered here; kept are the projects with a file that no earlier one had."""

    root: Path
    count: int = 0
    kept: list[Path] = field(default_factory=list)
    files: dict = field(default_factory=dict)  # (path, content, Python) → where it is
    traces: list[str] = field(default_factory=list)
    empty_folders: list[str] = field(default_factory=list)
    dead_links: list[str] = field(default_factory=list)

    def distinct(self, pattern):
        """One file of each content, of those whose path inside the project matches."""
        found = {
            (path, content): place for (path, content, _), place in self.files.items() if Path(path).match(pattern)
        }
        return sorted(map(str, found.values()))


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """All combinations, rendered once. What is checked file by file needs only the distinct ones."""
    result = Rendered(tmp_path_factory.mktemp("every"))
    for combination in combinations.every():
        project = combinations.create(combination, result.root / str(result.count))
        result.count += 1
        verbs = set(re.findall(r"^([a-z-]+):", (project / "Makefile").read_text(), re.MULTILINE))
        new = False
        for path in project.rglob("*"):
            name = path.relative_to(project).as_posix()
            if path.is_dir():
                if not any(path.iterdir()):
                    result.empty_folders.append(f"{combinations.label(combination)}: {name}")
                continue
            content = path.read_bytes()
            result.traces += traces(combination, name, content)
            result.dead_links += dead_links(project, verbs, path, name, content)
            key = (name, hash(content), combination["project.python"])
            if key not in result.files:
                result.files[key] = path
                # Each combination has its own of these; they are parsed here and now.
                if path.suffix == ".toml":
                    tomllib.loads(content.decode())
                elif path.suffix != ".md":
                    new = True
        if new:
            result.kept.append(project)
        else:
            shutil.rmtree(project)
    return result


# What only the chosen thing's files may say. infra/ is the same in all projects, the lock names what others depend on,
# and seedbed.toml holds every choice.
TELLTALES = {
    ("choices.ci", ("github", "both")): (b".github/", b"actions/checkout"),
    ("choices.ci", ("gitlab", "both")): (b"gitlab",),
    ("choices.serving", ("fastapi",)): (b"fastapi",),
    ("choices.serving", ("flask",)): (b"flask", b"a2wsgi"),
    ("choices.serving", ("fastapi", "flask")): (b".serving", b"make serve", b"uvicorn", b"make feedback"),
    ("project.license", ("Apache-2.0", "MIT")): (b"license = ",),
    ("choices.tracking", ("true",)): (b"mlflow",),
    ("choices.monitoring", ("true",)): (b"evidently", b"grafana", b".monitoring"),
}


def traces(combination, name, content):
    """Mentions of what wasn't chosen."""
    if name.startswith("infra/") or name in {"requirements.lock", "LICENSE", "seedbed.toml"}:
        return
    lowered = name.encode() + b"\n" + content.lower()
    for (choice, values), words in TELLTALES.items():
        if combination[choice] not in values:
            for word in words:
                if word in lowered:
                    yield f"{choice}={combination[choice]}: {word.decode()} in {name}"


def dead_links(project, verbs, path, name, content):
    """Links to files that are not there, and verbs that the Makefile doesn't have."""
    if name.startswith("infra/") or path.suffix not in {".md", ".yml", ".yaml", ".py", ".toml", ".in", ""}:
        return
    text = content.decode()
    for verb in re.findall(r"(?:`|\$ |run: |- )make ([a-z][a-z-]*)", text) + re.findall(
        r"^make ([a-z-]+)", text, re.MULTILINE
    ):
        if verb not in verbs:
            yield f"make {verb} in {name}"
    if path.suffix == ".md":
        for link in re.findall(r"\]\(([^)#\s]+)", text):
            if "://" not in link and not (path.parent / link).exists():
                yield f"{link} in {name}"


@pytest.fixture
def checked(record_property):
    """Say what a check looked at; the table of combinations and checks is made of it."""
    return lambda text: record_property("checked", text)


class Table:
    """Writes what this run found as a page of the documentation."""

    def __init__(self, path):
        self.path = path
        self.reports = []

    def pytest_runtest_logreport(self, report):
        if "tests/matrix/" in report.nodeid and (report.when == "call" or report.skipped or report.failed):
            self.reports.append(report)

    def pytest_sessionfinish(self):
        self.path.write_text(table(self.reports), encoding="utf-8")


def pytest_configure(config):
    if (path := config.getoption("--matrix-table")) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table(Path(path)))


_SETS = (
    "In the covering set, which `make test` installs and tests, every two values of two choices meet (but for the licence); "
    "`make test-matrix` installs, lints and tests all that differ in what is installed or tested."
)


def _why(report):
    """The reason why a test was skipped, or the first line of why it failed."""
    if report.skipped:
        return str(report.longrepr[-1])
    crash = getattr(report.longrepr, "reprcrash", None)
    return (crash.message if crash else report.longreprtext or "it ended early").splitlines()[0]


def table(reports):
    every, installed = [], []
    for report in reports:
        name, _, rest = report.nodeid.rpartition("::")[2].partition("[")
        found = "; ".join(text for key, text in report.user_properties if key == "checked")
        if name == "test_it_installs_and_passes_its_own_checks":
            values = rest.rstrip("]").split(" ")
            installed.append([*values, report.outcome, found if report.passed else _why(report)])
        else:
            every.append([name.removeprefix("test_").replace("_", " "), rest.rstrip("]"), report.outcome, found])
    axes = {key.split(".")[1]: values for key, values in combinations.axes().items()}
    lines = [
        "# Combinations and checks",
        "",
        f"{len(combinations.every())} combinations of choices are offered: "
        + ", ".join(f"{len(values)} of {name}" for name, values in axes.items())
        + ". `make test-matrix` writes this page.",
        "",
        "## Every combination, rendered",
        "",
        "A tool that judges files one by one is given each distinct file once.",
        "",
        *rows(["check", "of", "outcome", "what it looked at"], sorted(every)),
        "",
        "## Installed, and judged by their own checks",
        "",
        f"{len(installed)} combinations. " + _SETS,
        "",
        *rows([*axes, "outcome", "its own tests"], sorted(installed)),
        "",
    ]
    return "\n".join(lines)


def rows(header, cells):
    return [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *cells)]
