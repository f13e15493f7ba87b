"""Felix, the program with which Calico makes a node's kernel enforce network policies: built once, from its Go modules.

Building it takes ten minutes of CPU and more, and using it takes root, so nobody builds it unasked:

    python -m tests.cluster.felix
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from seedbed.errors import ToolMissingError
from seedbed.toolchain import go_build
from seedbed.toolchain.pulumi_cli import cache_folder

VERSION = "v1.11.0-cni-plugin.0.20250813170300-a0db560f0520"
# Calico's module names the one of its API as a folder beside it, which the module proxy serves apart. Its own go.sum
# pins everything else.
_MODULES = {
    "": (f"github.com/projectcalico/calico@{VERSION}", "h1:TXnPEzx4pLWgwzCetIO/VJuz4iBZZrOdNSv16a50YqE="),
    "api": (
        "github.com/projectcalico/api@v0.0.0-20240708202104-e3f70b269c2c",
        "h1:eFyfeRDV94LA3tgbG2EC5W02dg3QUdltHc2jxhTQMCw=",
    ),
}


def folder():
    """Where the program is kept, with the definitions of Calico's custom resources in `definitions/`."""
    return cache_folder() / "test-cluster" / f"felix-{VERSION.rpartition('-')[2]}"


def build(say):
    """Build it, unless it is there; return the folder.

    Raises:
        ToolMissingError: Go is missing and can't be obtained, or a module is refused.
    """
    target = folder()
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="seedbed-go-") as temporary,
        tempfile.TemporaryDirectory(prefix=".staging-", dir=target.parent) as staging,
    ):
        work, finished = Path(temporary), Path(staging) / "finished"
        finished.mkdir()
        go, source = go_build.find_go(work, say), work / "calico"
        for place, (module, checksum) in _MODULES.items():
            facts = json.loads(go_build.run([go, "mod", "download", "-json", module], work, module))
            if facts["Sum"] != checksum:
                raise ToolMissingError(f"{module} has the checksum {facts['Sum']} and not the pinned {checksum}")
            # The module cache's files are read-only, and so would be the copies with their modes.
            shutil.copytree(facts["Dir"], source / place, copy_function=shutil.copyfile, dirs_exist_ok=True)
            _make_writable(source)
        say("Building Felix: ten minutes of CPU, once")
        output = str(finished / "calico-felix")
        command = [
            go,
            "build",
            "-mod=readonly",
            "-trimpath",
            "-ldflags",
            "-s -w",
            "-o",
            output,
            "./felix/cmd/calico-felix",
        ]
        go_build.run(command, source, "Felix")
        shutil.copytree(source / "libcalico-go" / "config" / "crd", finished / "definitions")
        finished.rename(target)
    return target


def _make_writable(folder):
    for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        path.chmod(0o755)


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{build(lambda text: sys.stderr.write(text + os.linesep))}\n")
    except ToolMissingError as error:
        sys.exit(f"error: {error}")
