"""The tour's data: every flight that left New York in 2013, one file a month, made once and kept in the cache."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
import venv
from pathlib import Path

from seedbed.errors import SpecError
from seedbed.resources import resource
from seedbed.toolchain.pulumi_cli import cache_folder
from seedbed.tour import shell

EXAMPLE = "flight-delays"


def months(wanted: tuple[int, ...], log: Path) -> dict[int, Path]:
    """The files of these months; made by the example's own script in an environment of its own.

    Raises:
        InfrastructureError: the package with the flights can't be installed.
    """
    example = resource("examples") / EXAMPLE
    script, requirements = example / "months.py", example / "requirements.txt"
    key = hashlib.sha256(script.read_bytes() + requirements.read_bytes()).hexdigest()[:12]
    folder = cache_folder() / "flights" / key
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=folder.parent))
        try:
            python = _environment(staging / "venv", requirements, log)
            shell.run([str(python), str(script), "--out", str(staging / "months")], staging, variables={}, log=log)
            (staging / "months").rename(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    found = {month: folder / f"2013-{month:02}.parquet" for month in wanted}
    if missing := [path.name for path in found.values() if not path.is_file()]:
        raise SpecError(f"{folder} is incomplete, without {', '.join(missing)}", hint="Remove it and try again.")
    return found


def _environment(folder: Path, requirements: Path, log: Path) -> Path:
    python = folder / "bin" / "python"
    if uv := shutil.which("uv"):
        shell.run(
            [uv, "venv", "--quiet", "--python", sys.executable, str(folder)], folder.parent, variables={}, log=log
        )
        install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    else:
        venv.create(folder, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet"]
    shell.run([*install, "--require-hashes", "-r", str(requirements)], folder.parent, variables={}, log=log)
    return python
