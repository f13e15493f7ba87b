"""The built wheel, installed into an empty environment as a stranger would."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.conftest import ROOT, run

pytestmark = [pytest.mark.engine, pytest.mark.project]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.whl"))


def test_the_wheel_carries_every_template_file(wheel):
    packed = {
        name.removeprefix("seedbed/resources/")
        for name in zipfile.ZipFile(wheel).namelist()
        if name.startswith("seedbed/resources/")
    }
    tracked = subprocess.run(
        ["git", "ls-files", "templates", "infra", "examples"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert packed == {name.strip('"') for name in tracked.stdout.splitlines()}


def test_the_installed_wheel_makes_a_project_and_brings_it_up(wheel, tmp_path, pulumi):
    uv = str(Path(sys.executable).parent / "uv")
    venv = tmp_path / "venv"
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, venv],
        [uv, "pip", "install", "--quiet", "--python", venv / "bin/python", wheel],
    ):
        result = run(command, tmp_path)
        assert result.returncode == 0, result.stdout
    seedbed = venv / "bin/seedbed"
    env = {"PYTHONPATH": "", "PATH": os.pathsep.join([str(Path(uv).parent), os.environ["PATH"]])}
    for arguments in (
        ["new", "shop", "--no-input"],
        ["up", "dev", "-C", "shop"],
        ["status", "dev", "-C", "shop"],
        ["down", "dev", "--yes", "-C", "shop"],
    ):
        result = run([seedbed, *arguments], tmp_path, env)
        assert result.returncode == 0, result.stdout
    assert "none is left" in result.stdout
