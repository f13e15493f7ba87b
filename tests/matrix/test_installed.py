"""Combinations that are installed, and judged by their own checks on the Python they were made for.

`make test` takes a set in which every two values of two choices meet and leaves lint out, which it runs over every
combination elsewhere; CI one in which every value of a choice is there once; `make test-matrix` all that differ in what is
installed. What passed once on this machine, byte for byte and with the same Python, is not run again; `--matrix-again`
does.
"""

import hashlib
import os
import platform
import re
import shutil
from pathlib import Path

import pytest
from tests.conftest import CACHE, ROOT, UV_CACHE, run
from tests.matrix import combinations

pytestmark = pytest.mark.project

# Whoever chooses these gets other files, and installs and tests the same.
NOT_INSTALLED = ("choices.ci", "project.license")
VERBS = {"each": ("setup", "test"), "covering": ("setup", "test"), "full": ("setup", "lint", "test")}


def full():
    """Everything that can be installed and tested in its own way."""
    return [row for row in combinations.every() if all(row[key] == "none" for key in NOT_INSTALLED)]


def pytest_generate_tests(metafunc):
    which = metafunc.config.getoption("--matrix")
    if which == "none":
        reason = "a minute or two for each combination: `make test` installs them"
        metafunc.parametrize("combination", [pytest.param(None, marks=pytest.mark.skip(reason=reason))], ids=["none"])
    else:
        rows = {"each": combinations.each, "covering": combinations.covering, "full": full}[which]()
        metafunc.parametrize("combination", rows, ids=combinations.label)


def python(version):
    """The interpreter of a version, from PATH or pyenv; None where it can't be had."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path("~/.pyenv").expanduser())) / "versions"
    candidates = [*sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True), shutil.which(f"python{version}")]
    for candidate in filter(None, candidates):
        if run([candidate, "-c", "import ensurepip"], ROOT).returncode == 0:
            return str(candidate)
    return None


def proof(project, interpreter, verbs):
    """Where it is written down that a project passed: the file's name stands for all of its bytes, the Python, and the verbs.

    But for infra/, which is the same in all projects, and which nothing of theirs runs.
    """
    machine = f"{run([interpreter, '-VV'], ROOT).stdout}{platform.platform()}{verbs}"
    digest = hashlib.sha256(machine.encode())
    for path in sorted(path for path in project.rglob("*") if path.is_file()):
        name, content = path.relative_to(project).as_posix(), path.read_bytes()
        if not name.startswith("infra/"):
            digest.update(f"{name} {len(content)} ".encode() + content)
    return CACHE / "proven" / digest.hexdigest()


def test_it_installs_and_passes_its_own_checks(combination, tmp_path, checked, request):
    if not (interpreter := python(combination["project.python"])):
        pytest.skip(f"Python {combination['project.python']} is not on this machine")
    project = combinations.create(combination, tmp_path / "project")
    verbs = VERBS[request.config.getoption("--matrix")]
    passed = proof(project, interpreter, verbs)
    if not passed.is_file() or request.config.getoption("--matrix-again"):
        env = {"SEEDBED_CACHE": str(CACHE), "UV_CACHE_DIR": str(UV_CACHE)}
        for verb in verbs:
            done = run(["make", verb, f"PYTHON={interpreter}"], project, env=env, timeout=3600)
            assert done.returncode == 0, done.stdout[-6000:]
        passed.parent.mkdir(parents=True, exist_ok=True)
        passed.write_text(re.sub(r" in [0-9.]+s.*", "", done.stdout.strip().splitlines()[-1].strip("= ")))
    checked(passed.read_text())
    shutil.rmtree(project)
