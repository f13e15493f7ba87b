"""Compile, run, submit and schedule the training pipeline, in the project's root folder."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from {{ cookiecutter.package }}.errors import ConfigError, DataError, ProjectError
from {{ cookiecutter.package }}.schema import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from {{ cookiecutter.package }}.pipelines.client import Server
    from {{ cookiecutter.package }}.pipelines.settings import Cluster

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
    submitting = command("submit", _submit, "start a run of this commit on the server in KFP_ENDPOINT")
    submitting.add_argument("--data-version", help="refuse another data version than this one, or: latest")
    submitting.add_argument(
        "--wait",
        type=float,
        nargs="?",
        const=float("inf"),
        metavar="MINUTES",
        help="follow the run to its end, or for so long; fail if it fails meanwhile",
    )
    scheduling = command("schedule", _schedule, "run the pipeline at set times, on the data published last")
    scheduling.add_argument("--cron", required=True, help='six fields, seconds first: "0 0 4 * * 1"')
    scheduling.add_argument("--name", help="takes the place of the schedule of that name")
    scheduling.set_defaults(data_version="latest")
    for recorded in (submitting, scheduling):
        recorded.add_argument("--commit", help="refuse another commit than this one")
        recorded.add_argument(
            "--unrecorded",
            action="store_true",
            help="also if files differ from the commit or data isn't pushed; nothing of such a run is cached",
        )
    for placed in (compiling, submitting, scheduling):
        _add_cluster(placed)
    for parametrised in (running, submitting, scheduling):
        parametrised.add_argument(
            "--param",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="a pipeline parameter; may be repeated",
        )
    command("schedules", _schedules, "list the project's schedules")
    for name, help_text in (
        ("enable", "let a schedule start runs again"),
        ("disable", "let a schedule start no more runs"),
        ("delete", "remove a schedule; its runs stay"),
    ):
        command(name, _change, help_text).add_argument("schedule", help="its name or id")
        commands.choices[name].set_defaults(change=name)
    command("publish", _publish, "make the recorded data version what runs with `latest` fetch")
    return parser


def _add_cluster(parser: argparse.ArgumentParser) -> None:
    for option, variable, default, text in (
        ("--image", "PIPELINE_IMAGE", f"{PROJECT}:latest", "image that the components run in"),
        ("--volume", "PIPELINE_VOLUME", "", "claim of a lasting volume; without it each run makes one"),
        ("--storage-class", "PIPELINE_STORAGE_CLASS", "", "of a run's own volume; Kubeflow takes standard"),
        ("--volume-writer", "PIPELINE_VOLUME_WRITER", "", "user that writes to a volume of root's: 0"),
    ):
        shown = f"default: {default or 'none'}, or {variable}"
        parser.add_argument(option, default=os.environ.get(variable) or default, help=f"{text} ({shown})")


def _compile(chosen: argparse.Namespace) -> None:
    _write_package(chosen.output, _cluster(chosen))
    print(chosen.output)


def _run(chosen: argparse.Namespace) -> None:
    from kfp import local

    from {{ cookiecutter.package }} import config
    from {{ cookiecutter.package }}.pipelines import commits, pipeline

    arguments = _arguments(chosen.param)
    if not {"commit", "data_version"} & set(arguments):
        arguments["data_version"] = commits.recorded()
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

    arguments = _recorded_arguments(chosen)
    cluster = _cluster(chosen)
    server = client.server()
    with tempfile.TemporaryDirectory() as folder:
        package = _write_package(Path(folder) / PACKAGE.name, cluster, cached=not chosen.unrecorded)
        run = server.submit(package, arguments)
    print(f"run {run}\n{server.url(run)}")
    print(f"commit {arguments['commit'] or '(unrecorded)'}")
    print(f"data version {arguments['data_version']}", flush=True)
    if not cluster.volume and not cluster.storage_class:
        print("volume of the storage class standard, unless PIPELINE_VOLUME or PIPELINE_STORAGE_CLASS is set")
    if chosen.wait is not None:
        _follow(server, run, chosen.wait * 60)


def _follow(server: Server, run: str, seconds: float) -> None:
    from {{ cookiecutter.package }}.pipelines import client

    try:
        server.wait(run, lambda state: print(state.lower(), flush=True), min(seconds, client.WAIT_SECONDS))
    except client.StillRunningError as error:
        if seconds >= client.WAIT_SECONDS:
            raise
        print(error)


def _schedule(chosen: argparse.Namespace) -> None:
    from {{ cookiecutter.package }}.pipelines import client

    arguments = _recorded_arguments(chosen)
    cluster = _cluster(chosen)
    server = client.server()
    with tempfile.TemporaryDirectory() as folder:
        package = _write_package(Path(folder) / PACKAGE.name, cluster, cached=not chosen.unrecorded)
        print(f"schedule {server.schedule(package, arguments, chosen.cron, chosen.name or client.SCHEDULE)}")


def _schedules(_: argparse.Namespace) -> None:
    from {{ cookiecutter.package }}.pipelines import client

    for item in client.server().schedules():
        print(f"{item.name}\t{'enabled' if item.enabled else 'disabled'}\t{item.cron}\t{item.id}")


def _change(chosen: argparse.Namespace) -> None:
    from {{ cookiecutter.package }}.pipelines import client

    server = client.server()
    change = {"enable": server.enable, "disable": server.disable, "delete": server.delete}[chosen.change]
    change(chosen.schedule)
    print(f"{chosen.change}d {chosen.schedule}")


def _publish(_: argparse.Namespace) -> None:
    from {{ cookiecutter.package }}.pipelines import commits, store

    version = commits.recorded()
    store.publish(store.open_store(), version)
    print(f"latest is {version}")


def _cluster(chosen: argparse.Namespace) -> Cluster:
    from {{ cookiecutter.package }}.pipelines.settings import Cluster

    return Cluster(chosen.image, chosen.volume, chosen.storage_class, chosen.volume_writer)


def _write_package(path: Path, cluster: Cluster, *, cached: bool = True) -> Path:
    from kfp import compiler

    from {{ cookiecutter.package }} import config
    from {{ cookiecutter.package }}.pipelines import pipeline

    path.parent.mkdir(parents=True, exist_ok=True)
    compiler.Compiler().compile(pipeline.build(config.load(), cluster, cached=cached), str(path))
    return path


def _recorded_arguments(chosen: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of a run on a server; among them what it runs: commit and data version."""
    arguments = _arguments(chosen.param)
    for name in ("commit", "data_version"):
        if name in arguments:
            raise ConfigError(f"{name} is no --param here: the commit that is checked out decides it")
    return arguments | _identity(chosen, arguments.get("source", ""))


def _identity(chosen: argparse.Namespace, source: str) -> dict[str, str]:
    """Return the commit and the data version that a run on a server is for; both must be there.

    Raises:
        ConfigError: no commit holds what is here.
        DataError: the data isn't the commit's, or not where the run would look for it.
    """
    from {{ cookiecutter.package }} import git
    from {{ cookiecutter.package }}.pipelines import commits, store

    wanted = chosen.data_version
    if chosen.unrecorded:
        return {"commit": "", "data_version": wanted or commits.recorded()}
    commit = git.commit()  # in an image, the one that it is built from
    if not commit:
        raise ConfigError(
            "this isn't a Git repository with a commit, so no run could say what it ran", "commit first"
        )
    if chosen.commit and commit not in {chosen.commit, git.resolve(chosen.commit)}:
        raise ConfigError(f"{chosen.commit} was asked for, and {commit} is checked out", "check it out first")
    if git.changed():
        raise ConfigError(
            f"files differ from commit {commit}, so a run couldn't say what it ran",
            "commit them (git status), or submit what is here with --unrecorded",
        )
    named = commits.recorded(commit)
    if wanted == store.LATEST:
        return {"commit": commit, "data_version": wanted}
    if wanted and wanted != named:
        raise DataError(f"commit {commit} names data version {named}, not {wanted}")
    if not source and not os.environ.get("DATA_BUCKET"):
        hint = "set it as `seedbed outputs` prints it, or submit without that check: --unrecorded"
        raise ConfigError("DATA_BUCKET isn't set, so nobody can tell if the data was pushed", hint)
    if lacking := store.missing(store.open_store(source), named):
        shown = ", ".join(lacking[:5]) + (f" and {len(lacking) - 5} more" if len(lacking) > 5 else "")  # noqa: PLR2004
        raise DataError(f"the store lacks {shown}, of data version {named}", "push the data: make push")
    return {"commit": commit, "data_version": named}


def _arguments(given: list[str]) -> dict[str, Any]:
    """Return pipeline arguments from NAME=VALUE."""
    from {{ cookiecutter.package }} import config
    from {{ cookiecutter.package }}.pipelines import pipeline

    arguments: dict[str, Any] = {}
    known = pipeline.build(config.load()).component_spec.inputs  # type: ignore[attr-defined]
    for item in given:
        name, found, value = item.partition("=")
        if not found or name not in known:
            raise ConfigError(f"{item!r} isn't NAME=VALUE for a parameter", f"known are: {', '.join(known)}")
        convert, kind = _KINDS.get(known[name].type, (str, "a text"))
        try:
            arguments[name] = convert(value)
        except (ValueError, KeyError):
            raise ConfigError(f"{name} is {value!r}; it must be {kind}") from None
    return arguments


_KINDS: dict[str, tuple[Callable[[str], Any], str]] = {  # by kfp's name of a parameter's type
    "Integer": (int, "a whole number"),
    "Float": (float, "a number"),
    "Boolean": ({"true": True, "false": False}.__getitem__, "true or false"),
}


if __name__ == "__main__":
    sys.exit(main())
