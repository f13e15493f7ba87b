"""MinIO's client for the tests: `mc` in the cache, built from its Go module (a minute of CPU, once).

What is called `mc` on PATH is as likely Midnight Commander.
"""

import tempfile
from pathlib import Path

from seedbed.toolchain import go_build
from seedbed.toolchain.pulumi_cli import cache_folder

MODULE, VERSION = "github.com/minio/mc", "v0.0.0-20250313080218-cf909e1063a9"
CACHED = cache_folder() / "mc" / VERSION / "mc"


def find():
    """Its path, or None."""
    return str(CACHED) if CACHED.is_file() else None


def obtain(say):
    """Put it into the cache, as a whole or not at all, unless it is there.

    Raises:
        ToolMissingError: Go is missing and can't be obtained, or the module is refused.
    """
    if find():
        return
    say("Building MinIO's client: a minute of CPU, once")
    CACHED.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHED.parent) as folder:
        work, built = Path(folder), Path(folder, "mc")
        work.joinpath("go.mod").write_text(f"module x\nrequire {MODULE} {VERSION}\n")
        go = go_build.find_go(work, say)
        go_build.run([go, "build", "-mod=mod", "-trimpath", "-ldflags", "-s -w", "-o", str(built), MODULE], work, "mc")
        built.rename(CACHED)
