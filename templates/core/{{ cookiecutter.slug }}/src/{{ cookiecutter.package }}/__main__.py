"""The project's commands; run them in its root folder."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ProjectError

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
        return int(chosen.run(chosen) or 0)
    except ProjectError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


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
    ):
        commands.add_parser(name, help=help_text, description=help_text).set_defaults(run=run)
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
    print(f"{name}: {found['model'][name]:.4f}, linear baseline {found['baseline'][name]:.4f}")


def _register(_: argparse.Namespace) -> None:
    from . import config, registry, stages

    decision = registry.register(MODELS, PREPARED, stages.read_json(METRICS), REPORTS, config.load())
    print(f"{'promoted' if decision.promoted else 'refused'}: version {decision.version}: {decision.reason}")


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

    print(f"champion is version {registry.rollback().version} again")


def _data_start(_: argparse.Namespace) -> None:
    from . import intake

    print(f"data version {intake.start()}")


def _data_add(chosen: argparse.Namespace) -> None:
    from . import intake

    version = intake.add(chosen.file, replace=chosen.replace, tell=lambda remark: print(f"note: {remark}"))
    print(f"data version {version}")


def _data_version(_: argparse.Namespace) -> None:
    from . import data

    print(data.version(data.RAW))


if __name__ == "__main__":
    sys.exit(main())
