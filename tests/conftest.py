"""What all tests share: isolation from the person's own settings, and the command line in a process of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from seedbed.toolchain.pulumi_cli import cache_folder

ACTIONLINT = "1.7.12"
ROOT = Path(__file__).parents[1]
# A suite that was started in the background has SIGINT ignored, and so would have every program that it interrupts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Taken before any test moves HOME: tools and packages are obtained once for all runs.
CACHE = cache_folder()
UV_CACHE = Path(os.environ.get("UV_CACHE_DIR", Path.home() / ".cache" / "uv"))


def pytest_addoption(parser):
    parser.addoption("--matrix", choices=("none", "each", "covering", "full"), default="none",
                     help="which combinations of choices are installed and tested")  # fmt: skip
    parser.addoption("--matrix-again", action="store_true", help="also those that passed before with the same bytes")
    parser.addoption("--matrix-table", metavar="FILE", help="write what tests/matrix found to this page")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file's tests share what they made, and stay on one worker; each installed combination may go to any."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = Path(nodeid.partition("::")[0])
            if path.name == "test_installed.py":
                return nodeid
            return str(path.parent if path.parent.name == "matrix" else path)

    return ByFile(config, log)


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory, monkeypatch):
    """No test reads or writes the person's home, git identity, colours or SEEDBED_ variables."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("SEEDBED_", "PULUMI_", "AWS_", "MLFLOW_")) and name != "SEEDBED_CACHE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("SEEDBED_CACHE", str(CACHE))
    for name, value in {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
        "GIT_AUTHOR_NAME": "Test", "GIT_AUTHOR_EMAIL": "test@localhost",
        "GIT_COMMITTER_NAME": "Test", "GIT_COMMITTER_EMAIL": "test@localhost",
        "COLUMNS": "100", "NO_COLOR": "1", "UV_CACHE_DIR": str(UV_CACHE), "PULUMI_HOME": str(home / "pulumi"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def seedbed(tmp_path):
    """Run the command line as a person would, in an empty folder."""

    def run(*arguments, cwd=None, env=None, stdin="", timeout=600):
        result = subprocess.run(
            [sys.executable, "-m", "seedbed", *map(str, arguments)],
            cwd=cwd or tmp_path, env={**os.environ, **(env or {})}, input=stdin,
            capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        return Result(result.returncode, result.stdout, result.stderr)

    return run


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

    def reset(self):
        """Forget what other tests made of it: data, models, commits. Its environments and what is installed stay."""
        for command in (
            ["reset", "--quiet", "generated"],
            ["clean", "-fdxq", "-e", ".venv", "-e", ".seedbed", "-e", "infra"],
            ["checkout", "--quiet", "--", ".", ":!infra"],
        ):
            assert run(["git", *command], self.root).returncode == 0


def run(command, cwd, env=None, timeout=600):
    """Run a command; it gets the test's isolated environment, whatever an outer make or Python has set."""
    clean = {k: v for k, v in os.environ.items() if k not in _OF_OTHERS}
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**clean, **(env or {})}, timeout=timeout, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


# The last one would have each of a project's many processes compile its libraries anew.
_OF_OTHERS = {"ARGS", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONDONTWRITEBYTECODE"}


def clean(command, folder):
    """A tool, of this environment if it has it, finds nothing to say against what is in the folder."""
    own = Path(sys.executable).parent / str(command[0])
    command = [own if own.is_file() else command[0], *command[1:]]
    done = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@pytest.fixture(scope="session")
def pulumi():
    """The CLI by whichever route works here; obtained once and cached."""
    from seedbed import toolchain

    return toolchain.obtain(lambda text: sys.stderr.write(text + "\n"))


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A project with every choice, generated from the bundled penguins and set up by its own `make setup`."""
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
    for command in (
        ["git", "add", "--all"],
        ["git", "commit", "--quiet", "--message", "Generate"],
        ["git", "tag", "generated"],
    ):
        result = run(command, root, env={**os.environ, **env})
        assert result.returncode == 0, result.stdout
    return project


@pytest.fixture(scope="session")
def actionlint(tmp_path_factory):
    """The one on PATH, or one built from its Go module by the checksums in tests/unit/actionlint; it is kept in the cache."""
    from seedbed.errors import ToolMissingError
    from seedbed.toolchain import go_build

    if found := shutil.which("actionlint"):
        return found
    program = CACHE / "actionlint" / ACTIONLINT / "actionlint"
    if not program.is_file():
        work = tmp_path_factory.mktemp("go")
        module = work / "module"
        shutil.copytree(ROOT / "tests/unit/actionlint", module)
        source = "github.com/rhysd/actionlint/cmd/actionlint"
        command = ["build", "-mod=mod", "-trimpath", "-o", work / "actionlint", source]
        try:
            go_build.run([go_build.find_go(work, print), *map(str, command)], module, "actionlint")
        except ToolMissingError as error:
            pytest.skip(f"actionlint is not on PATH and can't be built here: {error}")
        program.parent.mkdir(parents=True, exist_ok=True)
        unfinished = program.with_name(f".{os.getpid()}")
        shutil.move(work / "actionlint", unfinished)
        unfinished.replace(program)
    return str(program)
