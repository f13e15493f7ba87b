"""The project's commands; run them in its root folder."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ConfigError, ProjectError

if TYPE_CHECKING:
    from collections.abc import Sequence

PREPARED = Path("data/prepared")
MODELS = Path("models")
REPORTS = Path("reports")
METRICS = Path("metrics.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 done (a refusal by the gate included), 1 failed, with the reason on stderr.
    """
    chosen = _parser().parse_args(arguments)
    try:
        code = int(chosen.run(chosen) or 0)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads the output has seen enough, as `head` has. Python flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ProjectError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, help_text in (
        ("validate", _validate, "check data/raw against the schema"),
        ("prepare", _prepare, "split data/raw into training and test rows"),
        ("train", _train, "fit the model and its baseline"),
        ("evaluate", _evaluate, "measure them on the test rows"),
        ("register", _register, "record the run, register the model, and promote it if the gate lets it"),
        ("champion", _champion, "show the model in use, as JSON"),
        ("rollback", _rollback, "go back to the champion of before"),
        ("versions", _versions, "list the latest versions of the registry"),
    ):
        commands.add_parser(name, help=help_text, description=help_text).set_defaults(run=run)
    about = "make a version the champion by hand, whatever the gate said about it"
    promote = commands.add_parser("promote", help=about, description=about)
    promote.set_defaults(run=_promote)
    promote.add_argument("version", metavar="VERSION", help="its number")
    promote.add_argument("--reason", default="", help="why, for others to read")
    about = "compare two trainings: metrics, parameters, data and cost"
    names = "a commit, branch or tag, 'workspace', a version, 'champion', or a run"
    compare = commands.add_parser("compare", help=about, description=f"{about}. Each is {names}.")
    compare.set_defaults(run=_compare)
    compare.add_argument("first", nargs="?", default="HEAD", metavar="A", help="default: %(default)s")
    compare.add_argument("second", nargs="?", default="workspace", metavar="B", help="default: %(default)s")
    tune = commands.add_parser(
        "tune", help="search for better model parameters and write them to params.yaml"
    )
    tune.set_defaults(run=_tune)
    tune.add_argument(
        "--candidates", type=int, default=30, metavar="N", help="how many to try, from 2 to 1000 (default 30)"
    )
    about = "ask the champion about every row of a file"
    predict = commands.add_parser("predict", help=about, description=about)
    predict.set_defaults(run=_predict)
    predict.add_argument("file", type=Path, help="a .csv or .parquet file with the features")
    predict.add_argument("--output", type=Path, required=True, help="the file to write, .csv or .parquet")
    data = commands.add_parser("data", help="add to the training data").add_subparsers(
        required=True, metavar="ACTION"
    )
    start = data.add_parser("start", help="fetch the recorded data, or start with the sample")
    start.set_defaults(run=_data_start)
    add = data.add_parser("add", help="check a file and add it to data/raw")
    add.add_argument("file", type=Path, help="a .csv or .parquet file")
    add.add_argument("--replace", action="store_true", help="in place of all files there are")
    add.set_defaults(run=_data_add)
    data.add_parser("version", help="print the version of data/raw").set_defaults(run=_data_version)
    push = data.add_parser("push", help="put the data's versions into the environment's object store")
    push.set_defaults(run=_data_push)
    return parser


# Each command imports what it needs: `--help` must not wait for the machine-learning libraries.


def _validate(_: argparse.Namespace) -> None:
    from . import data, stages

    report = stages.validate(data.RAW, REPORTS)
    print(f"valid: {report['rows']:,} rows in {len(report['files'])} files, version {report['data_version']}")


def _prepare(_: argparse.Namespace) -> None:
    from . import config, data, stages

    rows = stages.prepare(data.RAW, PREPARED, config.load())["rows"]
    print(f"prepared: {rows['train']:,} training rows, {rows['test']:,} test rows")


def _train(_: argparse.Namespace) -> None:
    from . import config, stages

    cost = stages.train(PREPARED, MODELS, config.load())
    print(f"trained in {cost['seconds']:.1f} s")


def _evaluate(_: argparse.Namespace) -> None:
    from . import config, stages

    found = stages.evaluation(PREPARED, MODELS, METRICS, REPORTS, config.load())
    name = found["metric"]
    figures = f"{name} {found['model'][name]:.4f}, linear baseline {found['baseline'][name]:.4f}"
    print(f"on the test rows: {figures}")


def _tune(chosen: argparse.Namespace) -> None:
    from . import config, gate, stages

    if not 2 <= chosen.candidates <= 1000:  # noqa: PLR2004
        raise ConfigError(f"--candidates is {chosen.candidates}; it must be from 2 to 1000")
    found = stages.tune(PREPARED, REPORTS, config.load(), chosen.candidates)
    where = f"on {found.rows:,} rows that the search of {found.candidates} candidates never saw"
    if not found.gain > 0:
        print(f"nothing better found {where}; params.yaml stays as it is")
        return
    changed = config.update_model(found.params)
    certain = "beyond" if found.gain > gate.NOISE_ERRORS * found.noise else "within"
    print(f"{found.metric} {found.best:.4f} instead of {found.present:.4f} {where}")
    print(f"the gain of {found.gain:.4f} is {certain} the noise: its standard error is {found.noise:.4f}")
    for name, (old, new) in changed.items():
        print(f"  model.{name}: {old} -> {new}")
    print("written to params.yaml; next: make train, or git checkout params.yaml to go back")


def _register(_: argparse.Namespace) -> None:
    from . import config, registry, stages

    print(registry.register(MODELS, PREPARED, stages.read_json(METRICS), REPORTS, config.load()))


def _champion(_: argparse.Namespace) -> int:
    from . import registry

    found = registry.champion()
    if found is None:
        print("no champion yet: make train", file=sys.stderr)
        return 1
    print(json.dumps(asdict(found), indent=2))
    return 0


def _rollback(_: argparse.Namespace) -> None:
    from . import registry

    before = registry.champion()
    print(f"champion is version {registry.rollback().version} again")
    if before is not None:
        print(f"to take that back: make promote VERSION={before.version}")


def _promote(chosen: argparse.Namespace) -> None:
    from . import registry

    print(registry.promote(chosen.version, chosen.reason))


def _versions(_: argparse.Namespace) -> None:
    from . import registry

    champion, listed = registry.champion(), registry.versions()
    if not listed:
        print("no model is registered yet: make train")
    for found in listed:
        if champion is not None and found.version == champion.version:
            state = "champion"
        elif found.promoted is None:
            state = "undecided"
        elif found.rolled_back:
            state = "rolled back"
        else:
            state = "was promoted" if found.promoted else "refused"
        commit = found.commit[:8] or "no commit"
        print(
            f"{found.version:>4}  {found.created[:16]}  {commit:9}  data {found.data_version[:8]}  "
            f"{state:12}  {found.reason}"
        )


def _compare(chosen: argparse.Namespace) -> None:
    from . import compare

    first, second = compare.find(chosen.first), compare.find(chosen.second)
    print(compare.write(first, second, REPORTS))
    print(f"the same in {REPORTS / compare.TABLE}, and drawn in {REPORTS / compare.PLOT}")


def _predict(chosen: argparse.Namespace) -> None:
    from . import batch

    rows = batch.predict(chosen.file, chosen.output, tell=_note)
    print(f"{rows:,} predictions in {chosen.output}")


def _data_start(_: argparse.Namespace) -> None:
    from . import intake

    print(f"data version {intake.start(tell=_note)}")


def _data_add(chosen: argparse.Namespace) -> None:
    from . import intake

    version = intake.add(chosen.file, replace=chosen.replace, tell=_note)
    print(f"data version {version}")


def _data_version(_: argparse.Namespace) -> None:
    from . import data

    print(data.version(data.RAW))


def _data_push(_: argparse.Namespace) -> None:
    from . import remote

    print(f"pushed to {remote.push()}")


def _note(remark: str) -> None:
    print(f"note: {remark}")


if __name__ == "__main__":
    sys.exit(main())
