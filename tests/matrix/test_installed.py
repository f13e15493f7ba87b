"""Combinations that are installed, and judged by their own checks on the Python they were made for.

`make test-matrix MATRIX=covering` runs a set in which every two values of what is installed meet, `make test-matrix` all of them.
They take minutes each, so `make test` leaves them out: it runs one project's own checks as its CI would (tests/e2e).
"""

import os
import re
import shutil
from pathlib import Path

import pytest
from tests.conftest import CACHE, ROOT, UV_CACHE, run
from tests.matrix import combinations

pytestmark = pytest.mark.project

NOT_INSTALLED = ("choices.ci", "project.license")


def covering():
    """Every two values of what is installed meet; the Pythons, and what nothing here depends on, take turns."""
    turns = ("project.python", *NOT_INSTALLED)
    rows = combinations.covering(*turns)
    others = {key: values for key, values in combinations.axes().items() if key in turns}
    return [row | {key: values[n % len(values)] for key, values in others.items()} for n, row in enumerate(rows)]


def full():
    """Everything that can be installed and tested in its own way."""
    return [row for row in combinations.every() if all(row[key] == "none" for key in NOT_INSTALLED)]


def pytest_generate_tests(metafunc):
    which = metafunc.config.getoption("--matrix")
    if which == "none":
        reason = "minutes for each combination: `make test-matrix` installs them"
        metafunc.parametrize("combination", [pytest.param(None, marks=pytest.mark.skip(reason=reason))], ids=["none"])
    else:
        metafunc.parametrize("combination", covering() if which == "covering" else full(), ids=combinations.label)


def python(version):
    """The interpreter of a version, from PATH or pyenv; None where it can't be had."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path("~/.pyenv").expanduser())) / "versions"
    candidates = [*sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True), shutil.which(f"python{version}")]
    for candidate in filter(None, candidates):
        if run([candidate, "-c", "import ensurepip"], ROOT).returncode == 0:
            return str(candidate)
    return None


def test_it_installs_and_passes_its_own_checks(combination, tmp_path, checked):
    if not (interpreter := python(combination["project.python"])):
        pytest.skip(f"Python {combination['project.python']} is not on this machine")
    project = combinations.create(combination, tmp_path / "project")
    env = {"SEEDBED_CACHE": str(CACHE), "UV_CACHE_DIR": str(UV_CACHE)}
    for verb in ("setup", "lint", "test"):
        done = run(["make", verb, f"PYTHON={interpreter}"], project, env=env, timeout=1200)
        assert done.returncode == 0, done.stdout[-6000:]
    checked(re.sub(r" in [0-9.]+s.*", "", done.stdout.strip().splitlines()[-1].strip("= ")))
    shutil.rmtree(project)
