"""`seedbed new` without the command line: answers in, a project in its place out."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from seedbed import layers, publish, render
from seedbed import spec as specs
from seedbed.errors import SpecError
from seedbed.spec_sources import Answers


@dataclass(frozen=True)
class Created:
    """A generated project, or the plan of one."""

    destination: Path
    spec: specs.ProjectSpec
    layers: list[str]
    files: list[str]


def create(answers: Answers, destination: Path | None, *, dry_run: bool = False) -> Created:
    """Generate a project, whole or not at all.

    Args:
        answers: what `spec_sources.gather` gave.
        destination: the folder to make; default: the project's slug in the current folder.
        dry_run: render for real, list the files, and leave nothing.

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
    data = answers.base / spec.data.source
    if not data.is_file():
        raise SpecError(f"data.source: there is no file {data}", hint="The path is relative to the spec file.")
    if dry_run:
        publish.check_free(folder)
        with tempfile.TemporaryDirectory(prefix="seedbed-") as temporary:
            files = _fill(Path(temporary), spec, selected, data)
    else:
        with publish.staged(folder) as staging:
            files = _fill(staging, spec, selected, data)
    return Created(folder, spec, [layer.name for layer in selected], files)


def _fill(folder: Path, spec: specs.ProjectSpec, selected: list[layers.Layer], data: Path) -> list[str]:
    render.render(spec, selected, data=data, into=folder)
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
