"""The HTTP contract with the other framework and task: the same tests that run for FastAPI and classes in a project's own suite."""

import os
import re

import pytest
from tests.conftest import ROOT, run

pytestmark = pytest.mark.project


def test_flask_keeps_the_contract(made, seedbed, tmp_path):
    root = tmp_path / "mass"
    spec = ROOT / "examples/penguin-mass/seedbed.toml"
    result = seedbed("new", root, "--spec", spec, "--set", "choices.serving=flask")
    assert result.code == 0, result.err
    extra = tmp_path / "extra"
    # What Flask's project needs beyond FastAPI's, at the locked versions.
    lock = (root / "requirements.lock").read_text()
    wanted = [re.search(rf"^{name}==\S+", lock, re.MULTILINE)[0] for name in ("a2wsgi", "flask")]
    uv = made.root / ".venv/bin/uv"
    result = run([uv, "pip", "install", "--quiet", "--python", made.python, "--target", extra, *wanted], root)
    assert result.returncode == 0, result.stdout
    paths = os.pathsep.join(map(str, (root / "src", root / "tests", extra)))
    result = run([made.python, "-m", "pytest", "-q", "tests/serving"], root, env={"PYTHONPATH": paths})
    assert result.returncode == 0, result.stdout
    assert "passed" in result.stdout
