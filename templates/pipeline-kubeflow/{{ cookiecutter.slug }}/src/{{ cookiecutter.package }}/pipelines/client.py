"""A Kubeflow Pipelines server: submitting runs, and scheduling them."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from {{ cookiecutter.package }}.errors import ConfigError, StoreError
from {{ cookiecutter.package }}.schema import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

    import kfp

TIMEOUT = 10  # seconds that the server has to say that it is alive
CRON_FIELDS = 6
SCHEDULE = f"{PROJECT}-retraining"


def connect() -> kfp.Client:
    """Return a client of the server in `KFP_ENDPOINT`; `KFP_TOKEN` and `KFP_NAMESPACE` are used if set.

    Raises:
        ConfigError: KFP_ENDPOINT isn't set or isn't a web address.
        StoreError: the server doesn't answer.
    """
    host = os.environ.get("KFP_ENDPOINT", "").rstrip("/")
    if not host:
        raise ConfigError(
            "KFP_ENDPOINT isn't set, so there is no Kubeflow server to submit to",
            f"set it (seedbed outputs ENV --format shell), or run it here: python -m {__package__} run",
        )
    if not host.startswith(("http://", "https://")):
        raise ConfigError(f"KFP_ENDPOINT is {host!r}; it must start with http:// or https://")
    token = os.environ.get("KFP_TOKEN") or None
    # kfp's own first request repeats itself for minutes when nobody is there.
    request = urllib.request.Request(f"{host}/apis/v2beta1/healthz")  # noqa: S310 - checked above
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT):  # noqa: S310
            pass
    except (OSError, ValueError) as error:
        raise StoreError(
            f"the Kubeflow server at {host} doesn't answer: {error}",
            "is it up (seedbed status), and reachable from here?",
        ) from error
    from kfp import Client

    return Client(host=host, namespace=os.environ.get("KFP_NAMESPACE") or "kubeflow", existing_token=token)


def submit(package: Path, arguments: dict[str, Any]) -> str:
    """Start a run; return its id.

    Args:
        package: the compiled pipeline.
        arguments: values of its parameters.
    """
    run = connect().create_run_from_pipeline_package(
        str(package), arguments=arguments, experiment_name=PROJECT, enable_caching=True
    )
    return str(run.run_id)


def schedule(package: Path, arguments: dict[str, Any], cron: str) -> str:
    """Run the pipeline at set times, in place of the schedule of before; return the schedule's id.

    Args:
        package: the compiled pipeline.
        arguments: values of its parameters.
        cron: six fields, seconds first, in UTC; "0 0 4 * * 1" is Mondays at four.

    Raises:
        ConfigError: `cron` hasn't six fields.
    """
    if len(cron.split()) != CRON_FIELDS:
        hint = 'Kubeflow counts seconds too: "0 0 4 * * 1" is Mondays at 04:00'
        raise ConfigError(f"{cron!r} hasn't six fields", hint)
    client = connect()
    experiment = client.create_experiment(PROJECT).experiment_id
    present = client.list_recurring_runs(experiment_id=experiment, page_size=100).recurring_runs or []
    created = client.create_recurring_run(
        experiment_id=experiment,
        job_name=SCHEDULE,
        cron_expression=cron,
        no_catchup=True,
        max_concurrency=1,
        pipeline_package_path=str(package),
        params=arguments,
    )
    # Only now: if creating fails, the schedule of before still stands.
    for old in present:
        if old.display_name == SCHEDULE:
            client.delete_recurring_run(old.recurring_run_id)
    return str(created.recurring_run_id)
