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
from seedbed.data.source import local_file
from seedbed.data.table import Table, open_table
from seedbed.spec_sources import Answers


@dataclass(frozen=True)
class Created:
    """A generated project, or the plan of one."""

    destination: Path
    spec: specs.ProjectSpec
    layers: list[str]
    files: list[str]
    left_out: int = 0  # rows of the data without a target or a time


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
                files, left_out = _fill(Path(temporary), spec, selected, data)
        else:
            with publish.staged(folder) as staging:
                files, left_out = _fill(staging, spec, selected, data)
    return Created(folder, spec, [layer.name for layer in selected], files, left_out)


@contextmanager
def _opened(spec: specs.ProjectSpec, base: Path, table: Table | None) -> Iterator[Table]:
    if table is not None:
        yield table
        return
    with local_file(spec.data.source, base) as path:
        yield open_table(path, spec.data.encoding)


def _fill(folder: Path, spec: specs.ProjectSpec, selected: list[layers.Layer], data: Table) -> tuple[list[str], int]:
    render.render(spec, selected, into=folder)
    left_out = starting.place(data, spec, folder)
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()), left_out
