"""Measure seedbed side by side with what users would pick instead, in one run, as ratios.

    make bench                    all comparisons
    python benchmarks/run.py --only startup

Each pair runs in turns (A B A B ...), so that a slow moment hits both, and the figure is the
median of the ratios of neighbours. Processor time decides for start-up and rendering, since these machines are shared;
wall time for `up` and for emptying buckets, which mostly wait. A bucket of 100,000 versions takes minutes to fill, so
that there is one pair of each: SEEDBED_BENCH_VERSIONS makes it smaller.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true", "NO_COLOR": "1"}


@dataclass(frozen=True)
class Run:
    """Seconds of one run of a command, and what it printed."""

    wall: float
    cpu: float
    printed: str = ""


@dataclass(frozen=True)
class Comparison:
    """Medians of two commands and the median of their ratios."""

    name: str
    ours: float
    theirs: float
    ratio: float
    target: float | None
    unit: str

    @property
    def verdict(self) -> str:
        """Whether the target is met; a comparison without one is there to be known."""
        return "" if self.target is None else f"{self.target:>8.1f}" + ("  MISSED" if self.missed else "")

    @property
    def missed(self) -> bool:
        """Whether it is above its target."""
        return self.target is not None and self.ratio > self.target


def timed(command: list[str], cwd: Path | None = None, env: dict[str, str] | None = None) -> Run:
    """Run a command to its end; children that it waited for count as its own."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    result = subprocess.run(command, cwd=cwd, env=env or ENVIRONMENT, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if result.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    return Run(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, result.stdout)


def compare(
    name: str,
    ours: Callable[[], Run],
    theirs: Callable[[], Run],
    *,
    target: float | None,
    unit: str = "cpu",
    runs: int = 9,
) -> Comparison:
    """Run both in turns, after one uncounted run of each."""
    ours(), theirs()
    pairs = [(getattr(ours(), unit), getattr(theirs(), unit)) for _ in range(runs)]
    ratio = statistics.median(a / b for a, b in pairs)
    return Comparison(
        name, statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs), ratio, target, unit
    )


def startup() -> list[Comparison]:
    """`--help` and `--version` against the `--help` of cookiecutter and copier."""
    return [
        compare(
            f"seedbed {flag} / {other} --help",
            lambda flag=flag: timed([str(BIN / "seedbed"), flag]),
            lambda other=other: timed([str(BIN / other), "--help"]),
            target=0.4,
        )
        for flag in ("--help", "--version")
        for other in ("cookiecutter", "copier")
    ]


def new() -> list[Comparison]:
    """`new` against cookiecutter and copier, each writing the very files that `new` writes."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        spec = ROOT / "examples/flight-delays/seedbed.toml"
        made = work / "made"
        timed([str(BIN / "seedbed"), "new", str(made), "--spec", str(spec)])
        files = sum(1 for path in made.rglob("*") if path.is_file())
        same_as_cookiecutter, same_as_copier = work / "cookiecutter", work / "copier"
        # Their templates hold the finished files with one answer in each: the work of rendering, without our logic.
        shutil.copytree(made, same_as_cookiecutter / "{{ cookiecutter.slug }}")
        _as_template(same_as_cookiecutter / "{{ cookiecutter.slug }}", "{{ cookiecutter.slug }}")
        (same_as_cookiecutter / "cookiecutter.json").write_text('{"slug": "flight-delays"}')
        shutil.copytree(made, same_as_copier / "template")
        _as_template(same_as_copier / "template", "{{ slug }}", suffix=".jinja")
        (same_as_copier / "copier.yml").write_text(
            "_subdirectory: template\nslug:\n  type: str\n  default: flight-delays\n"
        )

        def ours() -> Run:
            return timed([str(BIN / "seedbed"), "new", _fresh(work), "--spec", str(spec)])

        return [
            compare(
                f"seedbed new / cookiecutter, {files} files",
                ours,
                lambda: timed([str(BIN / "cookiecutter"), "--no-input", "-o", _fresh(work), str(same_as_cookiecutter)]),
                target=1.0,
            ),
            compare(
                f"seedbed new / copier, {files} files",
                ours,
                lambda: timed(
                    [str(BIN / "copier"), "copy", "--defaults", "--quiet", str(same_as_copier), _fresh(work)]
                ),
                target=1.0,
            ),
        ]


def up() -> list[Comparison]:
    """An `up` that has nothing to do, against the same by hand."""
    from seedbed import toolchain
    from seedbed.environments.project import find_project
    from seedbed.environments.stack import process_environment

    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary) / "project"
        seedbed = str(BIN / "seedbed")
        timed([seedbed, "new", str(project), "--spec", str(ROOT / "examples/penguins/seedbed.toml")])
        cli = toolchain.obtain(print)
        try:
            timed([seedbed, "up", "dev"], project)
            variables = {**ENVIRONMENT, **process_environment(find_project(project), "dev", cli)}
            by_hand = [str(cli.path), "up", "--stack", "dev", "--yes", "--non-interactive"]
            return [
                compare(
                    f"seedbed up / pulumi up{title}, nothing to do",
                    lambda: timed([seedbed, "up", "dev"], project),
                    lambda flags=flags: timed([*by_hand, *flags], project / "infra", variables),
                    target=target,
                    unit="wall",
                    runs=5,
                )
                for title, flags, target in (("", [], 1.1), (" --skip-preview", ["--skip-preview"], None))
            ]
        finally:
            timed([seedbed, "down", "dev", "--yes"], project)


def emptying() -> list[Comparison]:
    """A full bucket emptied by our code, by the AWS CLI and by boto3; and our memory for five times as much."""
    import emptying as buckets

    number, fewer = int(os.environ.get("SEEDBED_BENCH_VERSIONS", "100000")), 20_000
    script, variables = str(ROOT / "benchmarks/emptying.py"), {**ENVIRONMENT, **buckets.KEYS}
    variables |= {"AWS_DEFAULT_REGION": buckets.REGION, "AWS_CONFIG_FILE": os.devnull}
    found: list[Comparison] = []
    with buckets.server() as (store, url), tempfile.TemporaryDirectory(prefix="seedbed-bench-") as folder:
        aws = shutil.which("aws") or _aws_cli(Path(folder))

        def emptied(how: str, bucket: str, many: int, versions: int) -> Run:
            buckets.fill(url, bucket, many, store=store, versions=versions)
            command = [sys.executable, script, how, url, bucket]
            if how == "aws":
                command = [aws, "--endpoint-url", url, "s3", "rm", "--recursive", "--quiet", f"s3://{bucket}"]
            run = timed(command, env=variables)
            buckets.refuse_leftovers(url, bucket)
            return run

        few = emptied("ours", "fewer", fewer, 2)
        ours, theirs = (emptied(how, f"versions-{how}", number, 2) for how in ("ours", "boto3"))
        title = f"emptying on {store}, {number} versions"
        found.append(_pair(f"{title} / boto3", ours.wall, theirs.wall, None, "wall"))
        memory, less = int(ours.printed) / 1024, int(few.printed) / 1024
        found.append(_pair(f"{title} / {fewer} versions, MiB", memory, less, 1.1, "memory"))
        ours, theirs = (emptied(how, f"objects-{how}", number, 1) for how in ("ours", "aws"))
        found.append(_pair(f"emptying on {store}, {number} objects / aws s3 rm", ours.wall, theirs.wall, 1 / 3, "wall"))
    return found


def _aws_cli(folder: Path) -> str:
    """The AWS CLI that the package index has."""
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "--quiet", folder / "aws"], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", folder / "aws", "awscli"], check=True)
    return str(folder / "aws/bin/aws")


def _pair(name: str, ours: float, theirs: float, target: float | None, unit: str) -> Comparison:
    return Comparison(name, ours, theirs, ours / theirs, target, unit)


def _as_template(folder: Path, answer: str, suffix: str = "") -> None:
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        text = path.read_text(encoding="utf-8")
        raw = "{% raw %}" + text + "{% endraw %}" if "{{" in text or "{%" in text or "{#" in text else text
        path.write_text(
            raw.replace("flight-delays", f"{{% endraw %}}{answer}{{% raw %}}" if raw is not text else answer, 1)
        )
        if suffix:
            path.rename(path.with_name(path.name + suffix))


def _fresh(work: Path) -> str:
    return tempfile.mktemp(dir=work)  # noqa: S306, a name that does not exist is what is wanted


def main() -> None:
    """Run the comparisons, print them, and write build/bench.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    groups = {"startup": startup, "new": new, "up": up, "emptying": emptying}
    parser.add_argument("--only", choices=groups, help="one group of comparisons")
    only = parser.parse_args().only
    found = [comparison for name, group in groups.items() if only in {None, name} for comparison in group()]
    print(f"{'':<52}{'ours s':>8}{'theirs s':>10}{'ratio':>8}{'target':>8}")
    for item in found:
        print(f"{item.name:<52}{item.ours:>8.2f}{item.theirs:>10.2f}{item.ratio:>8.2f}{item.verdict}")
    output = ROOT / "build" / "bench.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps([vars(item) for item in found], indent=2) + "\n")
    if missed := [item.name for item in found if item.missed]:
        sys.exit(f"Missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
