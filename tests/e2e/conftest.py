"""A generated project that is set up once for all tests, and the real Pulumi CLI."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Made:
    """A generated project on disk."""

    root: Path
    package: str

    @property
    def python(self):
        return str(self.root / ".venv" / "bin" / "python")

    def make(self, *arguments, env=None, timeout=600):
        return run(["make", *arguments], self.root, env=env, timeout=timeout)


def run(command, cwd, env=None, timeout=600):
    """Run a command; it gets the test's isolated environment, whatever an outer make has set."""
    import os

    clean = {k: v for k, v in os.environ.items() if k not in {"VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**clean, **(env or {})}, timeout=timeout, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.fixture(scope="session")
def pulumi():
    """The CLI by whichever route works here; obtained once and cached."""
    from seedbed import toolchain

    return toolchain.obtain(lambda text: sys.stderr.write(text + "\n"))


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A project with every choice, generated from the bundled penguins and set up by its own `make setup`."""
    import os

    from tests.conftest import CACHE, UV_CACHE

    root = tmp_path_factory.mktemp("made") / "penguins"
    env = {"SEEDBED_CACHE": str(CACHE), "UV_CACHE_DIR": str(UV_CACHE), "HOME": str(root.parent)}
    env |= {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "Test"), ("EMAIL", "test@localhost"))
    }
    result = run(
        [sys.executable, "-m", "seedbed", "new", root, "--spec", ROOT / "examples/penguins/seedbed.toml"], ROOT, env
    )
    assert result.returncode == 0, result.stdout
    project = Made(root, "penguin_species")
    result = project.make("setup", env=env)
    assert result.returncode == 0, result.stdout
    for command in (["git", "add", "--all"], ["git", "commit", "--quiet", "--message", "Generate"]):
        result = run(command, root, env={**os.environ, **env})
        assert result.returncode == 0, result.stdout
    return project
