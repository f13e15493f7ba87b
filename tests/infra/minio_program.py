"""MinIO for the tests: the program on PATH, or one that running this file has built from its Go module (4 minutes)."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from seedbed.toolchain.pulumi_cli import cache_folder

MODULE, VERSION = "github.com/minio/minio", "v0.0.0-20260212201848-7aac2a2c5b7c"
CACHED = cache_folder() / "minio" / VERSION / "minio"


def find():
    """Its path, or None."""
    return shutil.which("minio") or (str(CACHED) if CACHED.is_file() else None)


def build():
    """Put it into the cache, as a whole or not at all."""
    CACHED.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHED.parent) as folder:
        Path(folder, "go.mod").write_text(f"module x\nrequire {MODULE} {VERSION}\n")
        built = Path(folder, "minio")
        environment = {**os.environ, "GOWORK": "off", "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod"}
        command = ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(built), MODULE]
        subprocess.run(command, cwd=folder, env=environment, check=True, timeout=1800)
        built.rename(CACHED)


if __name__ == "__main__":
    if find() is None:
        build()
    sys.stdout.write(f"{find()}\n")
