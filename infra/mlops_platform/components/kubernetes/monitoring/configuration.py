"""A project's configuration of Prometheus and Alertmanager, for a cluster.

A project's files describe one machine, where each part is a port of loopback. In a cluster each part is found by its
name or its labels instead; everything else stays as the project has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from mlops_platform.components.kubernetes import layout
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.monitoring import scraping
from mlops_platform.components.kubernetes.monitoring.project import ProjectFiles
from mlops_platform.errors import PlatformError

RULES_FOLDER = "rules"
_WEBHOOK = "/alerts"
_DISCOVERY = re.compile(r"static_configs|\w+_sd_configs|relabel_configs")
_LOOPBACK = re.compile(r"(?:^|//|@)(?:127(?:\.\d+){3}|localhost|0\.0\.0\.0|\[::1?\])(?::\d+)?(?=/|$)")


def prometheus(files: ProjectFiles, cluster: Cluster, monitors: Sequence[str]) -> str:
    """Prometheus' configuration, as YAML.

    Args:
        files: the project's.
        cluster: where it runs.
        monitors: those forms of the project's monitor that are there.

    Raises:
        PlatformError: a job of the project's own scrapes an address on its own machine.
    """
    ours = scraping.jobs(cluster, monitors)
    theirs = {str(job.get("job_name")): job for job in files.prometheus.get("scrape_configs") or []}
    kept = {key: value for key, value in files.prometheus.items() if key not in {"alerting", "scrape_configs"}}
    others = {name: job for name, job in theirs.items() if name not in ours}
    _refuse_loopback("prometheus/prometheus.yml", {**kept, "scrape_configs": others})
    wanted = [name for name in ours if name in theirs or name in scraping.ALWAYS]
    alerting = files.prometheus.get("alerting") or {}
    told = [
        {"static_configs": [{"targets": scraping.alertmanagers(cluster)}]},
        *(given for given in alerting.get("alertmanagers") or [] if not _loopback(given)),
    ]
    return _dump(
        {
            **kept,
            "rule_files": [f"{RULES_FOLDER}/{name}" for name in files.rules],
            "alerting": {**alerting, "alertmanagers": told},
            "scrape_configs": [*(_job(name, theirs.get(name, {}), ours[name]) for name in wanted), *others.values()],
        }
    )


def alertmanager(files: ProjectFiles, cluster: Cluster, *, retrains: bool) -> str:
    """Alertmanager's configuration, as YAML: what the monitor on this machine is told, the cluster's receiver is told.

    Args:
        files: the project's.
        cluster: where it runs.
        retrains: whether the receiver is there; if not, nobody is told in its place.

    Raises:
        PlatformError: somebody else to be told is an address on the project's own machine.
    """
    url = f"http://retraining.{cluster.namespace(layout.MONITORING)}.svc:{layout.PORTS['retraining']}{_WEBHOOK}"
    given = files.alertmanager.get("receivers") or []
    found = {**files.alertmanager, "receivers": [_receiver(one, url if retrains else None) for one in given]}
    _refuse_loopback("alertmanager/alertmanager.yml", found)
    return _dump(found)


def _job(name: str, theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """A job as the project has it, with the cluster's targets; its own relabelling comes after ours."""
    kept = {key: value for key, value in theirs.items() if not _DISCOVERY.fullmatch(key)}
    relabelling = [*ours.get("relabel_configs", []), *(theirs.get("relabel_configs") or [])]
    return {"job_name": name, **kept, **ours, **({"relabel_configs": relabelling} if relabelling else {})}


def _receiver(given: dict[str, Any], url: str | None) -> dict[str, Any]:
    """Somebody who is told, and by what; one without any means is told nothing, which Alertmanager allows."""
    hooks = given.get("webhook_configs")
    if not hooks:
        return given
    others = [hook for hook in hooks if not _is_ours(hook)]
    ours = [{**hook, "url": url} for hook in hooks if _is_ours(hook) and url]
    return {**given, "webhook_configs": [*ours, *others]}


def _is_ours(hook: dict[str, Any]) -> bool:
    url = str(hook.get("url", ""))
    found = _LOOPBACK.search(url)
    return found is not None and url[found.end() :] == _WEBHOOK


def _refuse_loopback(file: str, document: dict[str, Any]) -> None:
    for value, where in _loopback(document):
        raise PlatformError(
            f"{file} names {value} ({where}), which in a cluster is the pod itself",
            "Name it by an address that the cluster reaches, or leave it out there.",
        )


def _loopback(document: Any) -> list[tuple[str, str]]:
    """Each address on the machine itself that a document names, and its place."""
    return [(value, where) for where, value in _strings(document) if _LOOPBACK.search(value)]


def _strings(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a document, and its place."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, where)


def _dump(document: dict[str, Any]) -> str:
    # Lines as they are: a folded expression reads worse where somebody looks at it in the cluster.
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1_000)
