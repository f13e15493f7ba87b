from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seedbed.cli import output
from seedbed.cli.options import json_option

if TYPE_CHECKING:
    from seedbed.creation import Created
    from seedbed.spec_sources import Answers

# What a person is asked, in this order: the key, the question, the default when nothing else gives one.
_QUESTIONS = (
    ("project.name", "What is the project called?", "My Model"),
    ("project.description", "What does its model do, in one line?", ""),
    ("project.task", "Does it predict a class or a number?", "classification"),
    ("project.python", "Which is the lowest Python it must run on?", "3.11"),
    ("project.license", "Under which licence is the repository?", "Apache-2.0"),
    ("choices.ci", "Which continuous integration?", "github"),
    ("choices.serving", "Which web framework serves the model?", "fastapi"),
    ("choices.monitoring", "Watch the model for drift?", "true"),
)


@click.command("new")
@click.argument("dest", required=False, type=click.Path(path_type=Path))
@click.option("--spec", "spec_file", type=click.Path(path_type=Path), help="Take the answers from this seedbed.toml.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Set one answer, for example choices.ci=none.")
@click.option("--no-input", is_flag=True, help="Ask nothing: take defaults for what is not given.")
@click.option("--dry-run", is_flag=True, help="List the files that would be made, and make none.")
@json_option
def command(
    dest: Path | None,
    spec_file: Path | None,
    sets: tuple[str, ...],
    no_input: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Generate a project: repository and infrastructure.

    DEST is the folder to make; default: the project's name. On a terminal it asks for
    what neither flags nor files give. Answers come, first wins, from --set, SEEDBED_*
    variables (SEEDBED_PROJECT_NAME), the --spec file, and your own configuration.

    \b
    Examples:
      seedbed new                                      asks a few questions
      seedbed new --spec examples/flight-delays/seedbed.toml
      seedbed new churn --set project.name="Customer Churn" --no-input
      seedbed new --spec x.toml --set choices.ci=none --dry-run
    """
    from seedbed import creation, spec_sources

    prompted: dict[str, Any] = {}
    if spec_file is None and not no_input and not as_json and output.is_terminal():
        prompted = _ask(spec_sources.gather(spec_file=None, sets=sets))
    elif dest is not None and spec_file is None and not _has_name(spec_sources.gather(spec_file=None, sets=sets)):
        prompted = {"project.name": dest.name}
    answers = spec_sources.gather(spec_file=spec_file, sets=sets, prompted=prompted)
    created = creation.create(answers, dest, dry_run=dry_run)
    if as_json:
        output.emit(
            {
                "destination": str(created.destination),
                "dry_run": dry_run,
                "slug": created.spec.slug,
                "package": created.spec.package,
                "layers": created.layers,
                "files": created.files,
            }
        )
    else:
        _show(created, dry_run=dry_run)


def _has_name(answers: Answers) -> bool:
    return "name" in answers.values.get("project", {})


def _ask(given: Answers) -> dict[str, Any]:
    """Ask for what no source gave; each answer is checked on the spot."""
    from seedbed import spec as specs
    from seedbed.errors import SpecError

    answers: dict[str, Any] = {}
    for key, question, default in _QUESTIONS:
        section, field = key.split(".")
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
