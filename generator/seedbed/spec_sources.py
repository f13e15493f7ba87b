"""Where answers come from: flags over environment variables over the spec file over the user's configuration."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedbed import spec as specs
from seedbed.errors import SpecError, UsageError
from seedbed.resources import resource

ENVIRONMENT_PREFIX = "SEEDBED_"
_DEFAULT_EXAMPLES = {"classification": "penguins", "regression": "penguin-mass"}


@dataclass(frozen=True)
class Answers:
    """Nested answers, and the folder that a relative `data.source` starts from."""

    values: dict[str, Any]
    base: Path


def gather(
    *,
    spec_file: Path | None,
    sets: Iterable[str] = (),
    environ: Mapping[str, str] | None = None,
    prompted: Mapping[str, Any] | None = None,
) -> Answers:
    """Merge all sources; keys that nobody gives are left out, but a project always has data to start with.

    Args:
        spec_file: a spec to read, or None.
        sets: `section.key=value` flags.
        environ: environment variables, `SEEDBED_PROJECT_NAME` for `project.name`; default: the process's own.
        prompted: dotted keys and values that the person typed.

    Raises:
        SpecError: a file can't be read or an environment variable names no key.
        UsageError: a flag is not `section.key=value`.
    """
    environ = os.environ if environ is None else environ
    merged: dict[str, Any] = {}
    base = Path.cwd()
    if (user_file := user_config_file(environ)).is_file():
        _merge(merged, read_toml(user_file))
    if spec_file is not None:
        file_values = read_toml(spec_file)
        _merge(merged, file_values)
        if "source" in file_values.get("data", {}):
            base = spec_file.resolve().parent
    overrides = _from_environment(environ)
    for flag in sets:
        key, equals, value = flag.partition("=")
        if not equals or "." not in key:
            raise UsageError(
                f"--set {flag}: not of the form section.key=value", hint="For example --set choices.ci=none"
            )
        _assign(overrides, key, value)
    for key, value in (prompted or {}).items():
        _assign(overrides, key, value)
    if "source" in overrides.get("data", {}):
        base = Path.cwd()
    _merge(merged, overrides)
    if "data" not in merged:
        merged["data"], base = default_data(str(merged.get("project", {}).get("task", "classification")))
    return Answers(merged, base)


def default_data(task: str) -> tuple[dict[str, Any], Path]:
    """The bundled data for a task, for someone who has none at hand: real measurements of 344 penguins (CC0)."""
    example = resource("examples") / _DEFAULT_EXAMPLES.get(task, "penguins")
    return read_toml(example / specs.FILE_NAME)["data"], example


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        SpecError: it isn't there, can't be read, or isn't TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SpecError(f"There is no spec file at {path}", hint="Check the path given with --spec.") from None
    except IsADirectoryError:
        raise SpecError(f"{path} is a folder, not a spec file", hint=f"Give {path / specs.FILE_NAME}?") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} can't be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path} is not valid TOML: {error}") from error


def user_config_file(environ: Mapping[str, str]) -> Path:
    """The user's own defaults: `SEEDBED_CONFIG`, or config.toml in the platform's configuration folder."""
    if given := environ.get("SEEDBED_CONFIG"):
        return Path(given)
    import platformdirs

    return Path(platformdirs.user_config_dir("seedbed", appauthor=False)) / "config.toml"


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    sections = {name: s.__struct_fields__ for name, s in specs.section_types().items() if name != "seedbed"}
    known = {f"{ENVIRONMENT_PREFIX}{s}_{f}".upper(): f"{s}.{f}" for s, fields in sections.items() for f in fields}
    prefixes = tuple(f"{ENVIRONMENT_PREFIX}{section}_".upper() for section in sections)
    for variable, value in environ.items():
        if variable in known:
            _assign(values, known[variable], value)
        elif variable.startswith(prefixes):
            raise SpecError(
                f"The environment variable {variable} names no key of the spec",
                hint=f"Known: {', '.join(sorted(known))}",
            )
    return values


def _assign(values: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, leaf = dotted.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise UsageError(f"--set {dotted}: {parent} is given as a single value as well")
    values[leaf] = value


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
