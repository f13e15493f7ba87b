"""`seedbed new` without the command line: answers in, a project in its place out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from seedbed import layers, publish, render
from seedbed import spec as specs
from seedbed.data import starting
from seedbed.data.csv_table import CsvTable
from seedbed.data.source import local_file
from seedbed.data.table import Table, open_table
from seedbed.errors import SpecError
from seedbed.spec_sources import Answers


@dataclass(frozen=True)
class Created:
    """A generated project, or the plan of one."""

    destination: Path
    spec: specs.ProjectSpec
    layers: list[str]
    files: list[str]
    placed: starting.Placed


def create(answers: Answers, destination: Path | None, *, dry_run: bool = False, table: Table | None = None) -> Created:
    """Generate a project, whole or not at all.

    Args:
        answers: what `spec_sources.gather` gave.
        destination: the folder to make; default: the project's slug in the current folder.
        dry_run: render for real, list the files, and leave nothing.
        table: the data, when it is open already; default: what `data.source` names.

    Raises:
        SpecError: the answers or the data are wrong.
        ConflictError: the destination is taken or can't be written.
        TemplateError: a layer is broken.
    """
    spec = specs.parse(answers.values)
    selected = layers.select(spec)
    folder = Path.cwd() / (destination or spec.slug)
    if not folder.name or folder.name in {".", ".."}:
        folder = folder.resolve()
    with _opened(spec, answers.base, table) as data:
        data.require(starting.used_columns(spec))
        if dry_run:
            publish.check_free(folder)
            with tempfile.TemporaryDirectory(prefix="seedbed-") as temporary:
                files, placed = _fill(Path(temporary), spec, selected, data)
        else:
            with publish.staged(folder) as staging:
                files, placed = _fill(staging, spec, selected, data)
    return Created(folder, spec, [layer.name for layer in selected], files, placed)


@contextmanager
def _opened(spec: specs.ProjectSpec, base: Path, table: Table | None) -> Iterator[Table]:
    if table is not None:
        yield table
        return
    with local_file(spec.data.source, base) as path:
        yield open_table(path, spec.data.encoding, spec.data.decimal, spec.data.thousands)


def _fill(
    folder: Path, spec: specs.ProjectSpec, selected: list[layers.Layer], data: Table
) -> tuple[list[str], starting.Placed]:
    placed = starting.place(data, spec, folder)
    render.render(_completed(spec, data, placed), selected, into=folder)
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()), placed


def _completed(spec: specs.ProjectSpec, data: Table, placed: starting.Placed) -> specs.ProjectSpec:
    """The spec with what the data says about itself, where nobody said it: the classes, and how files are written."""
    import msgspec.structs

    known = set(map(str, spec.data.classes))
    if known and (unknown := [label for label in map(str, placed.classes) if label not in known]):
        raise SpecError(
            f"data.classes: the data also has {', '.join(unknown)}", hint="Name all classes, or leave the key out."
        )
    files = spec.data.files
    if files == specs.CsvForm() and isinstance(data, CsvTable):
        files = data.form
    completed = msgspec.structs.replace(spec.data, classes=spec.data.classes or list(placed.classes), files=files)
    return msgspec.structs.replace(spec, data=completed)
