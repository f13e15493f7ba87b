{%- set serving = cookiecutter.serving != "none" -%}
"""Train as CI does: `python ci/train.py`.

What is trained is the commit that is checked out, with the data that it names
{%- if serving %}; or with newer data, if
ci/collect.py has published some right before
{%- endif %}.

With KFP_ENDPOINT the training is submitted there, with the image in PIPELINE_IMAGE; without, it runs here.
With COMMIT_MODEL set to "true", a run is followed for a while, and champion.json names the model in use.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from {{ cookiecutter.package }} import cluster, registry
from {{ cookiecutter.package }}.errors import ConfigError, ProjectError
from {{ cookiecutter.package }}.pipelines.__main__ import main as pipelines

if TYPE_CHECKING:
    from collections.abc import Mapping

CHAMPION = Path("champion.json")
{%- if serving %}
NEW_DATA = Path("build/data.patch")
{%- endif %}
# The job has an hour, and so have the keys of its role on AWS. A run that takes longer goes on, and the next
# training names its champion.
MINUTES = 40


def main() -> int:
    """Train.

    Returns:
        The exit code: 0 done (a refusal by the gate included) or submitted, 1 failed, and stderr says why.
    """
    named = os.environ.get("COMMIT_MODEL") == "true"
    try:
        check(os.environ)
        code = pipelines(command(os.environ, followed=named))
        if not code and named:
            name_champion()
    except ProjectError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return code


def check(variables: Mapping[str, str]) -> None:
    """Refuse what would fail in the end, before anything costs time.

    Raises:
        ConfigError: there is no image for the run, or CI can't reach what the training needs.
        RegistryError: the registry doesn't answer.
    """
    store = variables.get("AWS_ENDPOINT_URL", "")
    if cluster.passage(store, variables):
        raise ConfigError(
            f"the store at {store} is inside of a cluster, whose API server can't pass signed requests on",
            "publish it: `domain` in the environment's section of seedbed.toml; or take a store outside",
        )
    if variables.get("KFP_ENDPOINT"):
        if not variables.get("PIPELINE_IMAGE"):
            raise ConfigError(
                "PIPELINE_IMAGE names no image, so the steps of a run on Kubeflow would have none",
                "have the job `images` push one: it says what to set; or name one that holds this commit",
            )
        return
{%- if cookiecutter.tracking %}
    server = variables.get("MLFLOW_TRACKING_URI", "")
    if cluster.passage(server, variables):
        raise ConfigError(
            f"MLflow at {server} is inside of a cluster, where CI only reads it, and a training writes to it",
            "set KFP_ENDPOINT, as `seedbed outputs ENV` prints it: then the training runs in there too",
        )
{%- endif %}
    registry.champion()


def command(variables: Mapping[str, str], *, followed: bool) -> list[str]:
    """Return the pipeline's command.

    Args:
        variables: of the environment.
        followed: whether a run on a server is followed.
    """
    if not variables.get("KFP_ENDPOINT"):
        return ["run"{% if serving %}, *(["--param", "data_version=latest"] if NEW_DATA.is_file() else []){% endif %}]
    return [
        "submit",
{%- if serving %}
        *(["--data-version", "latest"] if NEW_DATA.is_file() else []),
{%- endif %}
        *(["--wait", str(MINUTES)] if followed else []),
    ]


def name_champion() -> None:
    """Write down the model in use.

    Raises:
        RegistryError: the registry doesn't answer.
    """
    found = registry.champion()
    if found is None:
        print("there is no champion yet, so there is none to commit")
        return
    CHAMPION.write_text(json.dumps(asdict(found), indent=2) + "\n", encoding="utf-8")
    print(f"champion is version {found.version}")


if __name__ == "__main__":
    sys.exit(main())
