"""Render a project's layers into a folder: templates through cookiecutter's engine, everything else as it is.

Answers are data. They reach the templates as values of a ready context and are never rendered themselves; the
environment is sandboxed, hooks are not run, and a layer that holds a symbolic link is refused.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from seedbed import layers, locks, naming
from seedbed import spec as specs
from seedbed.data.starting import SAMPLE
from seedbed.environments.stack_config import stack_file
from seedbed.errors import TemplateError
from seedbed.resources import resource

_PROJECT_FOLDER = "{{ cookiecutter.slug }}"
_CACHES = ("__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache")
_LEFT_OUT = shutil.ignore_patterns(*_CACHES, "*.pyc", "Pulumi.*.yaml", "mypy.ini")


def render(spec: specs.ProjectSpec, selected: Iterable[layers.Layer], *, into: Path) -> None:
    """Write the whole project but its data into the folder `into`; the same arguments always give the same bytes.

    Args:
        spec: a checked spec, with the classes of a classification.
        selected: the layers that the spec selects.
        into: an existing folder that holds nothing but the data.

    Raises:
        TemplateError: a layer is broken or two layers write the same file.
    """
    selected = list(selected)
    values = context(spec)
    for layer in selected:
        _render_layer(layer, values, into)
    _copy_infra(into / "infra")
    own_data = {**_builtins(spec.data), "source": SAMPLE, "encoding": "utf-8", "decimal": ".", "thousands": ""}
    text = specs.to_toml(specs.parse({**_builtins(spec), "data": own_data}))
    (into / specs.FILE_NAME).write_text(text, encoding="utf-8")
    for environment in spec.environments:
        content = stack_file(spec, environment, tomllib.loads(text))
        (into / "infra" / f"Pulumi.{environment}.yaml").write_text(content, encoding="utf-8")
    _write_locks(selected, into)


def context(spec: specs.ProjectSpec) -> dict[str, Any]:
    """What templates see as `cookiecutter`."""
    taken: set[str] = {"id", "time", "model_config"}
    features = [
        {
            "name": name,
            "identifier": naming.identifier(name, taken),
            "kind": kind.rstrip("?"),
            "nullable": kind.endswith("?"),
        }
        for name, kind in spec.data.features.items()
    ]
    environments = [
        {
            "name": name,
            "target": environment.target,
            "data_bucket": environment.data_bucket or naming.bucket_name(spec.slug, name, _purpose(environment)),
        }
        for name, environment in spec.environments.items()
    ]
    return {
        **_builtins(spec.project),
        **_builtins(spec.choices),
        "slug": spec.slug,
        "package": spec.package,
        "target": spec.data.target,
        "time": spec.data.time,
        "group": spec.data.group,
        "classes": spec.data.classes,
        "files": _builtins(spec.data.files),
        "features": features,
        "source": Path(SAMPLE).name,
        "environments": environments,
        "requirements": layers.requirements(layers.select(spec)),
        "images": _images(spec.project.python),
        "seedbed_version": spec.seedbed.version,
    }


def _purpose(environment: specs.Environment) -> str:
    """What a bucket for data is for, as names have it: on AWS, where they are everybody's, with the account."""
    return f"data-{environment.account}" if environment.target == "aws" else "data"


def _images(python: str) -> dict[str, str]:
    images = tomllib.loads((resource("templates") / "images.toml").read_text(encoding="utf-8"))
    return {**images, "python": images["python"][python], "pythons": images["python"]}


def _render_layer(layer: layers.Layer, values: dict[str, Any], into: Path) -> None:
    from cookiecutter.generate import generate_file
    from cookiecutter.utils import work_in
    from jinja2 import TemplateError as JinjaError

    folder = layer.folder / _PROJECT_FOLDER
    if not folder.is_dir():
        raise TemplateError(f"The layer {layer.name} has no folder '{_PROJECT_FOLDER}'", hint="Reinstall seedbed.")
    environment = _environment(str(folder))
    wrapped = {"cookiecutter": values}
    with work_in(folder):
        for path in _template_files(Path()):
            try:
                output = into / environment.from_string(path.as_posix()).render(**wrapped)
                if not output.resolve().is_relative_to(into.resolve()):
                    raise TemplateError(f"The layer {layer.name} would write outside the project: {path}")
                if output.exists():
                    raise TemplateError(f"Two layers write {output.relative_to(into)}; the second is {layer.name}")
                output.parent.mkdir(parents=True, exist_ok=True)
                generate_file(str(into), str(path), wrapped, environment)
            except JinjaError as error:
                raise TemplateError(f"The layer {layer.name} can't render {path}: {error}") from error


def _template_files(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.is_symlink():
            raise TemplateError(f"Symbolic links are not allowed in a layer: {entry}")
        if entry.is_dir():
            if entry.name not in _CACHES:
                yield from _template_files(entry)
        else:
            yield entry


@functools.cache
def _environment(folder: str) -> Any:
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    # Each path is a template too, and cookiecutter compiles it a second time.
    environment.from_string = cast("Any", functools.cache(environment.from_string))  # type: ignore[method-assign]
    environment.filters |= {"py": _python, "toml": _json, "json": _json, "md": _markdown}
    return environment


def _python(value: Any) -> str:
    """A Python literal; strings with double quotes, as the formatter would write them."""
    return _json(value) if isinstance(value, str) else repr(value)


def _json(value: Any) -> str:
    """JSON, which is YAML too; a string of it is also a TOML basic string."""
    return json.dumps(value, ensure_ascii=False)


def _markdown(value: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|!&$~])", r"\\\1", " ".join(value.split()))


def _copy_infra(into: Path) -> None:
    shutil.copytree(resource("infra"), into, ignore=_LEFT_OUT, copy_function=_copy_file)


def _copy_file(source: str, destination: str) -> None:
    shutil.copyfile(source, destination)
    os.chmod(destination, 0o644)  # noqa: PTH101, an installer may have dropped or added bits


def _write_locks(selected: list[layers.Layer], into: Path) -> None:
    lock = (resource("templates") / "requirements.lock").read_text(encoding="utf-8")
    infra = [f"infra/{path.name}" for path in sorted(resource("infra").glob("requirements*.in"))]
    roots = [root for layer in selected for root in layer.requirements]
    (into / "requirements.lock").write_text(locks.subset(lock, [*roots, *infra]), encoding="utf-8")
    (into / "infra/requirements.lock").write_text(locks.subset(lock, infra), encoding="utf-8")


def _builtins(section: Any) -> dict[str, Any]:
    import msgspec

    builtins: dict[str, Any] = msgspec.to_builtins(section)
    return builtins
