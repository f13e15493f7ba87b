"""What a project itself says of its monitoring: read where it lies, so that there is one version of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mlops_platform.errors import PlatformError

# infra/ is a folder of the project.
PROJECT = Path(__file__).resolve().parents[5]
_CORRECT = "Correct the file; Git has the version of before."


@dataclass(frozen=True, kw_only=True)
class ProjectFiles:
    """A project's monitoring.

    Attributes:
        prometheus: what prometheus/prometheus.yml says.
        rules: the rule files that it names, by their path in prometheus/.
        alertmanager: what alertmanager/alertmanager.yml says.
        dashboards: Grafana's dashboards, by their path in grafana/dashboards/.
        provisioning: what Grafana sets up at its start, by the path in grafana/provisioning/.
    """

    prometheus: dict[str, Any]
    rules: dict[str, str]
    alertmanager: dict[str, Any]
    dashboards: dict[str, str]
    provisioning: dict[str, str]


def read(project: Path = PROJECT) -> ProjectFiles:
    """Read the monitoring of a project.

    Args:
        project: its root folder.

    Raises:
        PlatformError: a file is missing, or is no YAML or JSON.
    """
    prometheus = project / "prometheus"
    configuration = _yaml(prometheus / "prometheus.yml")
    return ProjectFiles(
        prometheus=configuration,
        rules=_rules(prometheus, configuration.get("rule_files") or []),
        alertmanager=_yaml(project / "alertmanager" / "alertmanager.yml"),
        dashboards=_tree(project / "grafana" / "dashboards", "*.json"),
        provisioning=_tree(project / "grafana" / "provisioning", "*.y*ml"),
    )


def _rules(folder: Path, patterns: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pattern in patterns:
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise PlatformError(
                f"{folder / 'prometheus.yml'} names rule files outside {folder}: {pattern}",
                f"Put them into {folder} and name them by their path in there.",
            )
        paths = sorted(path for path in folder.glob(pattern) if path.is_file())
        if not paths:
            raise _missing(folder / pattern)
        for path in paths:
            _yaml(path)  # one that Prometheus can't read would keep it from starting
            found[path.relative_to(folder).as_posix()] = _text(path)
    return found


def _tree(folder: Path, pattern: str) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob(pattern) if path.is_file())
    if not paths:
        raise _missing(folder / pattern)
    for path in paths:
        _json(path) if path.suffix == ".json" else _yaml(path)
    return {path.relative_to(folder).as_posix(): _text(path) for path in paths}


def _yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(_text(path))
    except yaml.YAMLError as error:
        raise PlatformError(f"{path} isn't YAML: {error}", _CORRECT) from error
    if not isinstance(content, dict):
        raise PlatformError(f"{path} holds no mapping", _CORRECT)
    return content


def _json(path: Path) -> None:
    try:
        json.loads(_text(path))
    except ValueError as error:
        raise PlatformError(f"{path} isn't JSON: {error}", "Export the dashboard again, or correct it.") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _missing(path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise PlatformError(f"{path} can't be read: {error}", "See to it that it is a readable UTF-8 file.") from error


def _missing(path: Path) -> PlatformError:
    return PlatformError(
        f"The environment is to be monitored, and {path} isn't there: rules and dashboards come from the project",
        "Run this in a project that has monitoring (seedbed new --set choices.monitoring=true),"
        " or leave it out: pulumi config set monitoring false",
    )
