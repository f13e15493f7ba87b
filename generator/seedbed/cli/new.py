from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seedbed.cli import output, own_data
from seedbed.cli.options import json_option

if TYPE_CHECKING:
    from seedbed.cli.own_data import Understood
    from seedbed.creation import Created
    from seedbed.spec_sources import Answers

_COLUMNS = 12  # named in a line
# What a person is asked, in this order: the key, the question, the default when nothing else gives one.
_QUESTIONS = (
    ("project.name", "What is the project called?", "My Model"),
    ("project.description", "What does its model do, in one line?", ""),
    ("project.task", "Does it predict a class or a number?", "classification"),
    ("project.python", "Which is the lowest Python it must run on?", "3.11"),
    ("project.license", "Under which licence is the repository?", "Apache-2.0"),
    ("choices.ci", "Which continuous integration?", "github"),
    ("choices.serving", "Which web framework serves the model?", "fastapi"),
    ("choices.tracking", "Keep runs and models in MLflow?", "true"),
    ("choices.monitoring", "Watch the model for drift?", "true"),
)


@click.command("new")
@click.argument("dest", required=False, type=click.Path(path_type=Path))
@click.option("--spec", "spec_file", type=click.Path(path_type=Path), help="Take the answers from this seedbed.toml.")
@click.option("--data", "source", metavar="FILE", help="Your own data: CSV or Parquet, a path or s3://BUCKET/KEY.")
@click.option("--target", metavar="COLUMN", help="The column that the model predicts.")
@click.option("--time", metavar="COLUMN", help="The column that orders the rows in time; '' for none.")
@click.option("--group", metavar="COLUMN", help="The column that says what rows belong to (a patient); '' for none.")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME=KIND",
    help="Correct what was found: number, integer, boolean, category, date, or drop.",
)
@click.option("--encoding", help="Of the text in the CSV file; default: utf-8.")
@click.option("--decimal", metavar="MARK", help="Before the decimals of its numbers: '.' (default) or ','.")
@click.option("--thousands", metavar="MARK", help="Between the thousands of its numbers: ',' '.' ' ' or an apostrophe.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Set one answer, for example choices.ci=none.")
@click.option("--no-input", is_flag=True, help="Ask nothing: take defaults for what is not given.")
@click.option("--dry-run", is_flag=True, help="List the files that would be made, and make none.")
@json_option
def command(
    dest: Path | None,
    spec_file: Path | None,
    source: str | None,
    target: str | None,
    time: str | None,
    group: str | None,
    columns: tuple[str, ...],
    encoding: str | None,
    decimal: str | None,
    thousands: str | None,
    sets: tuple[str, ...],
    no_input: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Generate a project: repository and infrastructure.

    DEST is the folder to make; default: the project's name. On a terminal it asks for
    what neither flags nor files give. Answers come, first wins, from --set, SEEDBED_*
    variables (SEEDBED_PROJECT_NAME), the --spec file, what is found in --data, and your
    own configuration.

    \b
    Examples:
      seedbed new                                      asks a few questions
      seedbed new --data flights.csv --target late     your own data: CSV, Parquet, S3
      seedbed new --data s3://bucket/sales.parquet --target amount --column zip=category
      seedbed new --spec examples/flight-delays/seedbed.toml
      seedbed new churn --set project.name="Customer Churn" --no-input
      seedbed new --spec x.toml --set choices.ci=none --dry-run
    """
    from seedbed import creation, spec_sources

    flags = {
        "source": source, "target": target, "time": time, "group": group,
        "encoding": encoding, "decimal": decimal, "thousands": thousands,
    }  # fmt: skip
    _require_data(flags, spec_file)
    sets = (*sets, *(f"data.{key}={value}" for key, value in flags.items() if value is not None))
    ask = spec_file is None and not no_input and not as_json and output.is_terminal()
    given = spec_sources.gather(spec_file=spec_file, sets=sets)
    with ExitStack() as stack:
        found: Understood | None = None
        kinds = _kinds(columns, source)
        if source is not None and not _names_features(spec_file):
            found = stack.enter_context(own_data.understand(given, kinds, ask=ask))
            given = own_data.settled(given, found.inference)
        prompted: dict[str, Any] = {}
        name = own_data.project_name(source) if found and source else ""
        if ask:
            prompted = _ask(given, {"project.name": name} if name else {})
        elif not _has_name(given) and (dest or name):
            prompted = {"project.name": dest.name if dest else name}
        answers = spec_sources.gather(spec_file=spec_file, sets=sets, prompted=prompted)
        if found:
            answers = own_data.settled(answers, found.inference)
            if not ask and not as_json:
                own_data.show(found.inference)
        created = creation.create(answers, dest, dry_run=dry_run, table=found.table if found else None)
    if as_json:
        result = {
            "destination": str(created.destination),
            "dry_run": dry_run,
            "slug": created.spec.slug,
            "package": created.spec.package,
            "layers": created.layers,
            "files": created.files,
            "rows_left_out": created.placed.left_out,
        }
        output.emit(result | ({"data": found.inference.as_dict()} if found else {}))
    else:
        _show(created, dry_run=dry_run)


def _require_data(flags: dict[str, str | None], spec_file: Path | None) -> None:
    from seedbed.errors import UsageError

    if flags["source"] is None and spec_file is None:
        for name, value in flags.items():
            if value is not None:
                raise UsageError(f"--{name} is about your own data, and no file is given", hint="Add --data FILE.")


def _kinds(columns: tuple[str, ...], source: str | None) -> dict[str, str]:
    from seedbed.errors import UsageError

    if columns and source is None:
        raise UsageError("--column corrects what is found in --data, and no file is given", hint="Add --data FILE.")
    kinds = {}
    for flag in columns:
        name, equals, kind = flag.rpartition("=")
        if not equals or not name:
            raise UsageError(f"--column {flag}: not of the form NAME=KIND", hint="For example --column zip=category")
        kinds[name] = kind
    return kinds


def _names_features(spec_file: Path | None) -> bool:
    """Whether a spec file says what the columns are: then nothing has to be found out."""
    from seedbed import spec_sources

    return spec_file is not None and "features" in spec_sources.read_toml(spec_file).get("data", {})


def _has_name(answers: Answers) -> bool:
    return "name" in answers.values.get("project", {})


def _ask(given: Answers, defaults: dict[str, str]) -> dict[str, Any]:
    """Ask for what no source gave; each answer is checked on the spot, and `defaults` stand above our own."""
    from seedbed import spec as specs
    from seedbed.errors import SpecError

    answers: dict[str, Any] = {}
    for key, question, default in _QUESTIONS:
        section, field = key.split(".")
        default = defaults.get(key, default)  # noqa: PLW2901
        if field in given.values.get(section, {}):
            continue
        choices = _choices(section, field)

        def check(value: str, section: str = section, field: str = field) -> str:
            trial: dict[str, Any] = {
                "project": {"name": "x"},
                "data": {"source": "-", "target": "y", "features": {"x": "number"}},
            }
            trial.setdefault(section, {})[field] = value
            try:
                specs.parse(trial)
            except SpecError as error:
                raise click.BadParameter("; ".join(error.details["problems"])) from None
            return value

        text = f"{question} [{', '.join(choices)}]" if choices else question
        answers[key] = click.prompt(text, default=default, value_proc=check, show_default=bool(default))
    return answers


def _choices(section: str, field: str) -> tuple[str, ...]:
    from typing import get_args

    from seedbed import spec as specs

    kind = specs.field_types(specs.section_types()[section])[field]
    return ("true", "false") if kind is bool else tuple(map(str, get_args(kind)))


def _show(created: Created, *, dry_run: bool) -> None:
    if dry_run:
        for name in created.files:
            output.line(name)
        output.line(f"{len(created.files)} files would be written to {created.destination}.", bold=True)
        return
    folder = created.destination
    shown = folder.name if folder.parent == Path.cwd() else str(folder)
    output.line(f"Created {created.spec.project.name} in {shown}: {len(created.files)} files.", bold=True)
    placed = created.placed
    if placed.left_out:
        output.line(f"  Rows without a target or a time were left out: {placed.left_out:,}")
    columns = ", ".join(map(own_data.printable, placed.columns[:_COLUMNS]))
    more = f" and {len(placed.columns) - _COLUMNS} more" if len(placed.columns) > _COLUMNS else ""
    sample = f"{placed.rows:,} rows with {columns}{more}"
    if any(name.startswith("data/raw/") for name in created.files):
        output.line("  All of the data, with every column, is in data/raw: for DVC and its store, not for git.")
        output.line(f"  A sample of it goes into git: {sample}.")
    else:
        output.line(f"  The data goes into git, in tests/data/sample.csv: {sample}.")
    output.line(f"  Layers: {', '.join(created.layers)}")
    first = next(iter(created.spec.environments))
    output.line("Next:")
    for step, why in (
        (f"cd {shown}", ""),
        ("make train", "install, check the data, train, compare with the baseline"),
        (f"seedbed up {first}", "its object store and experiment tracking"),
        ("make help", "everything else"),
    ):
        output.line(f"  {step:<24}{why}".rstrip())
