"""Compile, run, submit and schedule the training pipeline, in the project's root folder."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from {{ cookiecutter.package }}.errors import ConfigError, ProjectError
from {{ cookiecutter.package }}.schema import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OUTPUTS = Path(".kfp")
PACKAGE = Path("build/pipeline.yaml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 done (a refusal by the gate included), 1 failed, with the reason on stderr.
    """
    chosen = _parser().parse_args(arguments)
    try:
        chosen.run(chosen)
    except ProjectError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], None], help_text: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help_text, description=help_text)
        added.set_defaults(run=run)
        return added

    compiling = command("compile", _compile, "write the pipeline as YAML")
    compiling.add_argument("--output", type=Path, default=PACKAGE, help="default: %(default)s")
    running = command("run", _run, "run the pipeline on this machine")
    submitting = command("submit", _submit, "start a run on the server in KFP_ENDPOINT")
    scheduling = command("schedule", _schedule, "run the pipeline on that server at set times")
    scheduling.add_argument("--cron", required=True, help='six fields, seconds first, in UTC: "0 0 4 * * 1"')
    for imaged in (compiling, submitting, scheduling):
        imaged.add_argument(
            "--image",
            default=os.environ.get("PIPELINE_IMAGE") or f"{PROJECT}:latest",
            help="image that the components run in (default: %(default)s, from PIPELINE_IMAGE)",
        )
    for parametrised in (running, submitting, scheduling):
        parametrised.add_argument(
            "--param",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="a pipeline parameter; may be repeated",
        )
    command("publish", _publish, "make the recorded data version what runs with `latest` fetch")
    return parser


def _compile(chosen: argparse.Namespace) -> None:
    _write_package(chosen.output, chosen.image)
    print(chosen.output)


def _run(chosen: argparse.Namespace) -> None:
    from kfp import local

    from {{ cookiecutter.package }} import config
    from {{ cookiecutter.package }}.pipelines import pipeline

    arguments = _arguments(chosen.param, "recorded")
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(OUTPUTS))
    # kfp puts the interpreter's path into a shell command as it is: a blank in it would end it there.
    executable, sys.executable = sys.executable, shlex.quote(sys.executable)
    try:
        pipeline.build(config.load())(**arguments)
    except RuntimeError as error:
        raise ProjectError(
            f"the pipeline failed: {error}", "the failed component's own message is above"
        ) from error
    finally:
        sys.executable = executable


def _submit(chosen: argparse.Namespace) -> None:
    from {{ cookiecutter.package }}.pipelines import client

    arguments = _arguments(chosen.param, "recorded")
    with tempfile.TemporaryDirectory() as folder:
        package = _write_package(Path(folder) / PACKAGE.name, chosen.image)
        print(f"run {client.submit(package, arguments)}")


def _schedule(chosen: argparse.Namespace) -> None:
    from {{ cookiecutter.package }}.pipelines import client

    arguments = _arguments(chosen.param, "latest")
    with tempfile.TemporaryDirectory() as folder:
        package = _write_package(Path(folder) / PACKAGE.name, chosen.image)
        print(f"schedule {client.schedule(package, arguments, chosen.cron)}")


def _publish(_: argparse.Namespace) -> None:
    from {{ cookiecutter.package }}.pipelines import store

    version = store.recorded()
    store.publish(store.open_store(), version)
    print(f"latest is {version}")


def _write_package(path: Path, image: str) -> Path:
    from kfp import compiler

    from {{ cookiecutter.package }} import config
    from {{ cookiecutter.package }}.pipelines import pipeline

    path.parent.mkdir(parents=True, exist_ok=True)
    compiler.Compiler().compile(pipeline.build(config.load(), image), str(path))
    return path


def _arguments(given: list[str], version: str) -> dict[str, Any]:
    """Return pipeline arguments from NAME=VALUE; `version` says which data is meant if none is named."""
    from {{ cookiecutter.package }} import config
    from {{ cookiecutter.package }}.pipelines import pipeline, store

    arguments: dict[str, Any] = {}
    known = pipeline.build(config.load()).component_spec.inputs  # type: ignore[attr-defined]
    for item in given:
        name, found, value = item.partition("=")
        if not found or name not in known:
            raise ConfigError(f"{item!r} isn't NAME=VALUE for a parameter", f"known are: {', '.join(known)}")
        try:
            arguments[name] = yaml.safe_load(value) if known[name].type != "STRING" else value
        except yaml.YAMLError:
            raise ConfigError(f"{item!r} holds no value") from None
    if "data_version" not in arguments:
        arguments["data_version"] = store.recorded() if version == "recorded" else store.LATEST
    return arguments


if __name__ == "__main__":
    sys.exit(main())
