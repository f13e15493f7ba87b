"""Preview or apply the infrastructure of one environment: `python ci/infrastructure.py preview|apply`.

The variable ENVIRONMENT names it, and with it the Pulumi stack; PULUMI_BACKEND_URL says where its state is
kept, and PULUMI_CONFIG_PASSPHRASE opens the secrets in it, unless a key on AWS does. `preview` changes
nothing and writes what it found as Markdown.

What runs is infra/ with infra/Pulumi.<stack>.yaml, which seedbed makes of seedbed.toml. To change that alone
would be to change nothing here, so it is noticed and refused.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pulumi.automation import OpType, PulumiCommand, Stack

PROGRAM = Path("infra")
SPEC = Path("seedbed.toml")
REPORT = Path("build/infrastructure.md")
LIMIT = 60_000  # characters of output in the report, so that it fits into a comment


class NotReadyError(Exception):
    """Something isn't set up; the message says what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 done, 1 failed, with the reason on stderr.
    """
    parser = argparse.ArgumentParser(description="Preview or apply the infrastructure of $ENVIRONMENT.")
    parser.add_argument("command", choices=["preview", "apply"])
    command = parser.parse_args(arguments).command
    try:
        environment = chosen(os.environ)
        return preview(environment) if command == "preview" else apply(environment)
    except NotReadyError as error:
        print(f"error: {error}", file=sys.stderr)
        if command == "preview":
            report(os.environ.get("ENVIRONMENT", ""), "not looked at", str(error))
        return 1


def chosen(variables: Mapping[str, str]) -> str:
    """Return the environment's name.

    Raises:
        NotReadyError: a variable is missing, or the environment is none that CI could change.
    """
    _require(variables, "ENVIRONMENT", "PULUMI_BACKEND_URL")
    name = variables["ENVIRONMENT"]
    settings = PROGRAM / f"Pulumi.{name}.yaml"
    if not settings.is_file():
        known = ", ".join(sorted(path.name.split(".")[1] for path in PROGRAM.glob("Pulumi.*.yaml")))
        raise NotReadyError(f"ENVIRONMENT is {name!r}, and {settings} isn't there; there are: {known}")
    content = yaml.safe_load(settings.read_text(encoding="utf-8"))
    config = content.get("config", {})
    if config.get("mlops-platform:target", "local") == "local":
        raise NotReadyError(
            f"the environment {name} runs on the machine that starts it, which CI isn't; "
            "set ENVIRONMENT to one with another target, or bring this one up there: seedbed up"
        )
    if not content.get("secretsprovider"):
        _require(variables, "PULUMI_CONFIG_PASSPHRASE")
    _compare(name, config.get("seedbed:spec"))
    return name


def _compare(name: str, recorded: str | None) -> None:
    if recorded is None:
        print(f"note: whether {name} is as {SPEC} says isn't known: `seedbed preview {name}` writes it down")
    elif recorded != digest(tomllib.loads(SPEC.read_text(encoding="utf-8")), name):
        settings = PROGRAM / f"Pulumi.{name}.yaml"
        raise NotReadyError(
            f"{SPEC} has changed, and {settings}, which is what counts, is still made of the one of before; "
            f"run `seedbed preview {name}`, which brings it up to date, and commit {settings}"
        )


def digest(spec: Mapping[str, Any], name: str) -> str:
    """Return of which spec a stack's settings are made, as seedbed writes it into them.

    Args:
        spec: the content of seedbed.toml.
        name: of the environment.
    """
    counts = [spec.get("project"), spec.get("choices"), spec.get("environments", {}).get(name)]
    return hashlib.sha256(json.dumps(counts, sort_keys=True).encode()).hexdigest()[:16]


def _require(variables: Mapping[str, str], *names: str) -> None:
    if missing := [name for name in names if not variables.get(name)]:
        raise NotReadyError(f"set {', '.join(missing)}: see the CI file that runs this")


def preview(environment: str) -> int:
    """Write to the report what applying would change.

    Raises:
        NotReadyError: there is no Pulumi CLI.
    """
    from pulumi.automation.errors import CommandError

    output: list[str] = []

    def keep(line: str) -> None:
        print(line, flush=True)
        output.append(line)

    try:
        found = open_stack(environment).preview(diff=True, color="never", on_output=keep, on_error=keep)
        verdict, code = summary(found.change_summary), 0
    except CommandError as error:
        if not output:
            keep(str(error))
        verdict, code = "the preview failed", 1
    report(environment, verdict, "\n".join(output))
    return code


def apply(environment: str) -> int:
    """Make the infrastructure what the program says.

    Raises:
        NotReadyError: there is no Pulumi CLI.
    """
    from pulumi.automation.errors import CommandError

    try:
        done = open_stack(environment).up(color="never", on_output=print, on_error=print, show_secrets=False)
    except CommandError as error:
        print(f"error: {environment} was not brought up to date: {error}", file=sys.stderr)
        return 1
    print(f"{environment}: {summary(done.summary.resource_changes or {})}")
    return 0


def open_stack(environment: str) -> Stack:
    """Return the stack; the first time it is made, empty.

    Raises:
        NotReadyError: there is no Pulumi CLI.
        CommandError: the CLI can't open the stack.
    """
    from pulumi import automation

    # The program runs in the Python that comes first on PATH: this one.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    options = automation.LocalWorkspaceOptions(pulumi_command=obtain())
    return automation.create_or_select_stack(environment, work_dir=str(PROGRAM), opts=options)


def obtain() -> PulumiCommand:
    """Return the Pulumi CLI: the one on PATH, or else that of the locked SDK, which is then downloaded.

    Raises:
        NotReadyError: it can't be run, or can't be had.
    """
    from pulumi.automation import PulumiCommand
    from pulumi.automation.errors import InvalidVersionError

    try:
        return PulumiCommand() if shutil.which("pulumi") else PulumiCommand.install()
    except (InvalidVersionError, OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "output", None) or str(error)
        text = said.decode(errors="replace") if isinstance(said, bytes) else said
        raise NotReadyError(
            f"the Pulumi CLI can't be had: {' '.join(text.split())[-500:]}; it comes from Pulumi's site, "
            "by curl, which has to be installed; or put the CLI on PATH"
        ) from error


def summary(changes: Mapping[OpType, int]) -> str:
    """Return counted operations in words, such as "2 create, 1 delete"."""
    counted = [f"{count} {kind.lower()}" for kind, count in changes.items()]
    return ", ".join(sorted(item for item in counted if not item.endswith(" same"))) or "no changes"


def report(environment: str, verdict: str, output: str) -> None:
    """Write the report."""
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(markdown(environment, verdict, output), encoding="utf-8")


def markdown(environment: str, verdict: str, output: str) -> str:
    """Return the report."""
    cut = ""
    if len(output) > LIMIT:
        output, cut = output[:LIMIT], "\nThe rest is in the log of the job.\n"
    return (
        f"### Infrastructure of `{environment}`: {verdict}\n\n"
        f"<details><summary>Details</summary>\n\n````diff\n{output}\n````\n{cut}\n</details>\n"
    )


if __name__ == "__main__":
    sys.exit(main())
