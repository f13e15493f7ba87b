"""Resolve every dependency anew and write the hashed locks: our own, and the one that generated projects get a part of.

Run by `make lock`, from the repository's root: the paths in the locks' comments are what `seedbed.locks` looks for.
"""

import subprocess
import sys
from pathlib import Path

UV = [str(Path(sys.executable).parent / "uv"), "pip", "compile", "--quiet", "--upgrade"]
COMMON = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-header"]


def main() -> None:
    """Write requirements/{uv,dev}.txt, templates/requirements.lock and the lock of each example."""
    layers = [*sorted(Path("templates").glob("*/requirements*.in")), *sorted(Path("infra").glob("requirements*.in"))]
    compile_lock(Path("requirements/uv.txt"), "requirements/uv.in")
    compile_lock(Path("requirements/dev.txt"), "pyproject.toml", "--group", "dev")
    compile_lock(Path("templates/requirements.lock"), *map(str, layers))
    compile_lock(Path("requirements/checkov.txt"), "requirements/checkov.in")
    for example in sorted(Path("examples").glob("*/requirements.in")):
        compile_lock(example.with_suffix(".txt"), str(example))


def compile_lock(output: Path, *arguments: str) -> None:
    """Resolve the requirements in `arguments` into `output`."""
    subprocess.run([*UV, *COMMON, *arguments, "--output-file", str(output)], check=True)


if __name__ == "__main__":
    main()
