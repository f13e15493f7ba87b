"""What we ask of a Kubeflow Pipelines server: runs, and schedules."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import kfp_server_api as kfp
import yaml

from {{ cookiecutter.package }}.errors import ConfigError
from {{ cookiecutter.package }}.pipelines import connection, settings
from {{ cookiecutter.package }}.pipelines.connection import Client, ServerError, refusals
from {{ cookiecutter.package }}.schema import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCHEDULE = f"{PROJECT}-retraining"
CRON_FIELDS = 6
WAIT_SECONDS = settings.RUN_SECONDS + 600.0  # the server ends a run before that
POLL_SECONDS = 5.0
OUTAGES = 12  # polls in a row that may fail while we wait for a run: a minute
PAGE = 100
MOST_PAGES = 50
FINAL = ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED")


class StillRunningError(ServerError):
    """A run takes longer than we wait for it; it goes on."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A recurring run.

    Attributes:
        name: of which a project has one each.
        id: the server's.
        cron: six fields, seconds first, in the server's time zone (UTC unless it was set up otherwise).
        enabled: whether it starts runs.
    """

    name: str
    id: str
    cron: str
    enabled: bool


class Server:
    """A server that answered, and speaks the API that we speak.

    Every method raises ServerError if the server can't be reached, refuses, or doesn't know what is named.
    """

    def __init__(self, client: Client) -> None:
        self.host = client.address
        self._client = client
        with refusals(client):
            try:
                health = kfp.HealthzServiceApi(client).healthz_service_get_healthz()
            except kfp.ApiException as error:
                if error.status != 404:  # noqa: PLR2004
                    raise
                hint = "is KFP_ENDPOINT right? Kubeflow Pipelines 2.0 is the oldest that has it"
                raise ServerError(f"{self.host} has no Kubeflow Pipelines API v2beta1", hint) from error
        self._namespace = os.environ.get("KFP_NAMESPACE") or None
        if health.multi_user and not self._namespace:
            raise ServerError(
                f"{self.host} has a namespace for each team, and none is named",
                "set KFP_NAMESPACE to yours; " + connection.IDENTITY,
            )
        if not health.multi_user:
            self._namespace = None  # such a server refuses to be told one
        self._experiments = kfp.ExperimentServiceApi(client)
        self._runs = kfp.RunServiceApi(client)
        self._schedules = kfp.RecurringRunServiceApi(client)

    def submit(self, package: Path, arguments: dict[str, Any]) -> str:
        """Start a run; return its id.

        Args:
            package: the compiled pipeline.
            arguments: values of its parameters.
        """
        name = f"{PROJECT} {datetime.now(UTC).strftime('%Y-%m-%d %H:%M:%S')}"
        with refusals(self._client):
            run = kfp.V2beta1Run(
                display_name=name,
                experiment_id=self._experiment(),
                pipeline_spec=_specification(package),
                runtime_config=kfp.V2beta1RuntimeConfig(parameters=arguments),
            )
            return str(self._runs.run_service_create_run(run=run).run_id)

    def url(self, run: str) -> str:
        """Return where a run is shown."""
        page = f"{connection.PAGES if self._client.passed_on else self.host}/#/runs/details/{run}"
        return f"{page}, after: {connection.FORWARD}" if self._client.passed_on else page

    def wait(self, run: str, tell: Callable[[str], None], seconds: float = WAIT_SECONDS) -> None:
        """Follow a run to its end.

        Args:
            run: its id.
            tell: is called with each new state.
            seconds: how long to wait at most.

        Raises:
            StillRunningError: it didn't end in time.
            ServerError: it didn't succeed, or the server can't be asked for too long.
        """
        deadline = time.monotonic() + seconds
        state, outages = "", 0
        while time.monotonic() < deadline:
            try:
                with refusals(self._client):
                    found = self._runs.run_service_get_run(run_id=run)
                outages = 0
            except ServerError:
                outages += 1
                if outages == OUTAGES:
                    raise
            else:
                if (found.state or "PENDING") != state:
                    state = found.state or "PENDING"
                    tell(state)
                if state == "SUCCEEDED":
                    return
                if state in FINAL:
                    raise ServerError(f"run {run} ended: {state}{_causes(found)}", f"see {self.url(run)}")
            time.sleep(POLL_SECONDS)
        message = f"run {run} is still {state.lower() or 'unknown'} after {seconds:.0f} s, and goes on"
        raise StillRunningError(message, f"see {self.url(run)}")

    def schedule(self, package: Path, arguments: dict[str, Any], cron: str, name: str = SCHEDULE) -> str:
        """Run the pipeline at set times, in place of the schedules of this name; return the new one's id.

        Args:
            package: the compiled pipeline.
            arguments: values of its parameters.
            cron: six fields, seconds first; "0 0 4 * * 1" is Mondays at four.
            name: of the schedule.

        Raises:
            ConfigError: `cron` hasn't six fields.
        """
        if len(cron.split()) != CRON_FIELDS:
            hint = 'Kubeflow counts seconds too: "0 0 4 * * 1" is Mondays at 04:00'
            raise ConfigError(f"{cron!r} hasn't six fields", hint)
        before = [found for found in self.schedules() if found.name == name]
        with refusals(self._client):
            created = self._schedules.recurring_run_service_create_recurring_run(
                recurring_run=kfp.V2beta1RecurringRun(
                    display_name=name,
                    experiment_id=self._experiment(),
                    pipeline_spec=_specification(package),
                    runtime_config=kfp.V2beta1RuntimeConfig(parameters=arguments),
                    trigger=kfp.V2beta1Trigger(cron_schedule=kfp.V2beta1CronSchedule(cron=cron)),
                    mode=kfp.RecurringRunMode.ENABLE,
                    max_concurrency="1",
                    no_catchup=True,
                )
            )
            # Only now: if creating fails, the schedule of before still stands.
            for old in before:
                self._schedules.recurring_run_service_delete_recurring_run(recurring_run_id=old.id)
        return str(created.recurring_run_id)

    def schedules(self) -> list[Schedule]:
        """Return the project's schedules, by name."""
        found: list[Schedule] = []
        token = ""
        with refusals(self._client):
            experiment = self._experiment()
            for _ in range(MOST_PAGES):
                page = self._schedules.recurring_run_service_list_recurring_runs(
                    experiment_id=experiment, page_size=PAGE, page_token=token
                )
                found += [_schedule(item) for item in page.recurring_runs or []]
                token = page.next_page_token or ""
                if not token:
                    break
        return sorted(found, key=lambda item: (item.name, item.id))

    def enable(self, name: str) -> None:
        """Let a schedule start runs again, by its name or id."""
        found = self._find(name)
        with refusals(self._client):
            self._schedules.recurring_run_service_enable_recurring_run(recurring_run_id=found.id)

    def disable(self, name: str) -> None:
        """Let a schedule start no more runs, by its name or id."""
        found = self._find(name)
        with refusals(self._client):
            self._schedules.recurring_run_service_disable_recurring_run(recurring_run_id=found.id)

    def delete(self, name: str) -> None:
        """Remove a schedule, by its name or id; the runs that it started stay."""
        found = self._find(name)
        with refusals(self._client):
            self._schedules.recurring_run_service_delete_recurring_run(recurring_run_id=found.id)

    def _find(self, name: str) -> Schedule:
        present = self.schedules()
        for item in present:
            if name in {item.name, item.id}:
                return item
        known = ", ".join(item.name for item in present) or "none"
        raise ServerError(f"{self.host} has no schedule {name!r} of {PROJECT}", f"there are: {known}")

    def _experiment(self) -> str:
        wanted = {"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": PROJECT}]}
        place = {"namespace": self._namespace} if self._namespace else {}
        found = self._experiments.experiment_service_list_experiments(filter=json.dumps(wanted), **place)
        if found.experiments:
            return str(found.experiments[0].experiment_id)
        created = self._experiments.experiment_service_create_experiment(
            experiment=kfp.V2beta1Experiment(display_name=PROJECT, **place)
        )
        return str(created.experiment_id)


def server() -> Server:
    """Return the server in `KFP_ENDPOINT`.

    Raises:
        ConfigError: what the environment says about it can't be used.
        ServerError: it can't be reached, doesn't know us, or isn't a server that we can use.
    """
    return Server(connection.connect())


def _specification(package: Path) -> dict[str, Any]:
    documents = list(yaml.safe_load_all(package.read_text(encoding="utf-8")))
    return {"pipeline_spec": documents[0], "platform_spec": documents[1]}


def _schedule(found: Any) -> Schedule:
    cron = found.trigger.cron_schedule if found.trigger else None
    return Schedule(
        name=found.display_name or "",
        id=str(found.recurring_run_id),
        cron=cron.cron if cron and cron.cron else "",
        enabled=found.status == kfp.V2beta1RecurringRunStatus.ENABLED,
    )


def _causes(run: Any) -> str:
    """Return what the server says about a run's end, and which steps failed."""
    said = f": {run.error.message}" if run.error and run.error.message else ""
    details = run.run_details.task_details if run.run_details else None
    failed = sorted({task.display_name for task in details or [] if task.state == "FAILED"} - {None})
    return said + (f" (failed: {', '.join(failed)})" if failed else "")
