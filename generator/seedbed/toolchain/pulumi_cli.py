"""Find a Pulumi CLI that can run Python programs, or obtain one.

Three routes, in this order: the one on PATH if it is new enough; Pulumi's own installer; a build from Go modules, for
networks where Pulumi's download site can't be reached. The last two end in the user's cache, in a folder named by
version that appears by one rename, so that a run that was cut off never leaves half a tool.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from seedbed.errors import ToolMissingError
from seedbed.toolchain import go_build

MINIMUM_VERSION = (3, 150, 0)
CLI_VERSION = go_build.CLI_VERSION
_INSTALLER_TIMEOUT = 300.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class PulumiCli:
    """A usable CLI: its folder goes first on PATH, since the language hosts lie beside the program."""

    path: Path
    version: str
    origin: str

    @property
    def folder(self) -> Path:
        """The folder to put on PATH."""
        return self.path.parent


def cache_folder() -> Path:
    """Where obtained tools are kept: `SEEDBED_CACHE`, or the platform's cache folder."""
    if given := os.environ.get("SEEDBED_CACHE"):
        return Path(given).absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("seedbed", appauthor=False))


def find() -> PulumiCli | None:
    """The CLI on PATH if it is new enough and has its Python language host, else the cached one, else None."""
    if (found := shutil.which("pulumi")) and (cli := _check(Path(found), "PATH")):
        return cli
    return _check(_cached(), "cache") if _cached().is_file() else None


def require() -> PulumiCli:
    """The CLI, or an error that says how to get one.

    Raises:
        ToolMissingError: there is none.
    """
    if cli := find():
        return cli
    minimum = ".".join(map(str, MINIMUM_VERSION))
    raise ToolMissingError(
        f"The Pulumi CLI (at least {minimum}, with its Python language host) is neither on PATH nor in the cache",
        hint="Run `seedbed doctor --fix` to obtain it, or install it from pulumi.com.",
    )


def obtain(say: Say = lambda _: None) -> PulumiCli:
    """The CLI that `find` gives, or a fresh one by the first route that works.

    Args:
        say: told which route is tried and how long it took.

    Raises:
        ToolMissingError: no route worked; the message holds each route's reason.
    """
    if cli := find():
        return cli
    with _alone(say):
        return find() or _obtain(say)


def _obtain(say: Say) -> PulumiCli:
    reasons = []
    for name, expectation, route in (
        ("Pulumi's installer", "usually under a minute", _install),
        ("a build from Go modules", "3 to 6 minutes on two cores, once", go_build.build),
    ):
        say(f"Obtaining the Pulumi CLI {CLI_VERSION} by {name}: {expectation}")
        started = time.monotonic()
        try:
            _publish(route, say)
        except (OSError, subprocess.SubprocessError, ToolMissingError) as error:
            reasons.append(f"{name}: {_reason(error)}")
            say(f"That did not work: {_reason(error)}")
            continue
        if cli := _check(_cached(), "cache"):
            say(f"Pulumi CLI {cli.version} is ready after {time.monotonic() - started:.0f} s, kept in {cli.folder}")
            return cli
        reasons.append(f"{name}: what it gave does not run as version {CLI_VERSION}")
    raise ToolMissingError(
        "The Pulumi CLI could not be obtained:\n" + "\n".join(f"  - {reason}" for reason in reasons),
        hint="Install it from pulumi.com and put it on PATH, or install Go 1.26 or newer and try again.",
    )


@contextlib.contextmanager
def _alone(say: Say) -> Iterator[None]:
    """One process obtains the CLI; others wait for it. The system releases the lock when its holder ends."""
    folder = _cached().parents[2]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another process is obtaining the Pulumi CLI: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _cached() -> Path:
    return cache_folder() / "pulumi" / CLI_VERSION / "bin" / "pulumi"


def _publish(route: Callable[[Path, Say], None], say: Say) -> None:
    home = _cached().parents[1]
    home.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=home.parent))
    try:
        route(staging / "bin", say)
        if not _check(staging / "bin" / "pulumi", "cache", exactly=CLI_VERSION):
            raise ToolMissingError(f"the program obtained is not Pulumi {CLI_VERSION} with a Python language host")
        if home.exists():
            shutil.rmtree(home)
        staging.rename(home)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _install(folder: Path, _say: Say) -> None:
    """Pulumi's own installer script, fetched and run by its SDK, in a process that has a time limit."""
    import sys

    program = (
        "import sys; from pulumi.automation import PulumiCommand; from semver import VersionInfo; "
        "PulumiCommand.install(root=sys.argv[1], version=VersionInfo.parse(sys.argv[2]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(folder.parent), CLI_VERSION],
        capture_output=True, text=True, timeout=_INSTALLER_TIMEOUT, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if result.returncode:
        raise ToolMissingError(
            result.stderr.strip().splitlines()[-1] if result.stderr.strip() else "it failed silently"
        )


def _check(path: Path, origin: str, exactly: str | None = None) -> PulumiCli | None:
    version = _version(path)
    if version is None or (exactly and version != exactly):
        return None
    if tuple(int(part) for part in version.split(".")[:3]) < MINIMUM_VERSION:
        return None
    host = "pulumi-language-python"
    if not (path.resolve().parent / host).is_file() and not (path.parent / host).is_file() and not shutil.which(host):
        return None
    return PulumiCli(path, version, origin)


def _version(path: Path) -> str | None:
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        result = subprocess.run(
            [str(path), "version"], capture_output=True, text=True, timeout=30, env=environment, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.match(r"v?(\d+\.\d+\.\d+)", result.stdout.strip())
    return match[1] if match and result.returncode == 0 else None


def _reason(error: BaseException) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no result after {error.timeout:.0f} s"
    return " ".join(str(error).split())[-400:]
