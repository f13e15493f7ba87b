"""checkov, in an environment of its own: it pins far too much to share ours. Here over manifests."""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from seedbed.toolchain.pulumi_cli import cache_folder

LOCK = Path(__file__).resolve().parents[2] / "requirements" / "checkov.txt"
WAIVERS = Path(__file__).with_name("checkov_waivers.toml")
_UV = Path(sys.executable).with_name("uv")


@dataclass(frozen=True)
class Finding:
    """A check that an object failed: checkov's number for it, and the object's kind, namespace and name."""

    check: str
    kind: str
    name: str
    text: str


@dataclass(frozen=True)
class Waiver:
    """Why a check does not hold for some objects.

    Attributes:
        check: checkov's number of it.
        kinds: kinds of object that are excepted; empty: all.
        names: names that are excepted; empty: all.
        reason: why.
    """

    check: str
    reason: str
    kinds: tuple = ()
    names: tuple = ()

    def covers(self, finding):
        same_kind = not self.kinds or finding.kind in self.kinds
        return self.check == finding.check and same_kind and (not self.names or finding.name in self.names)


def waivers(path=WAIVERS):
    """All exceptions, each with its reason."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["waiver"]
    return [Waiver(**{k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}) for row in rows]


def program():
    """The program of the locked version; its environment is made once and kept in the cache.

    Raises:
        subprocess.CalledProcessError: a package can't be had.
    """
    home = cache_folder() / "checkov" / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").is_file():
            environment = {**os.environ, "VIRTUAL_ENV": str(home)}
            for command in (
                [_UV, "venv", "--quiet", "--clear", "--python", sys.executable, home],
                [_UV, "pip", "sync", "--quiet", "--require-hashes", LOCK],
            ):
                subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=900)
            (home / "complete").touch()
    return home / "bin" / "checkov"


def scan(checkov, objects):
    """All findings in these objects."""
    with tempfile.TemporaryDirectory() as folder:
        # No secret of the recording is of interest, and a value that looks like one would be a finding of its own.
        for number, manifest in enumerate(objects):
            Path(folder, f"{number:03}.yaml").write_text(yaml.safe_dump(manifest), encoding="utf-8")
        found = failed_checks(checkov, folder, "kubernetes")
        return [_finding(item, objects[int(Path(item["file_path"]).stem)]) for item in found]


def obtained():
    """The program; a test for which it can't be had is skipped."""
    try:
        return program()
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"checkov can't be installed here: {error}")


def failed_checks(checkov, folder, framework):
    """What the program finds in a folder, as it says it."""
    command = [checkov, "--directory", folder, "--framework", framework, "--output", "json", "--compact"]
    done = subprocess.run(
        [*command, "--soft-fail", "--quiet", "--skip-download"],
        capture_output=True, text=True, timeout=900, check=False, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0, report
    assert report["summary"]["passed"] > 0, report
    return report["results"]["failed_checks"]


def _finding(item, manifest):
    name = manifest["metadata"]["name"]
    kind = manifest["kind"]
    return Finding(item["check_id"], kind, name, f"{item['check_id']} {item['check_name']}: {kind} {name}")
