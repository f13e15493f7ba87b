"""Keeping the reports where the team finds them: {% if cookiecutter.tracking %}in MLflow, with the run that made the model{% else %}in the environment's artifact bucket{% endif %}."""

from __future__ import annotations
{% if not cookiecutter.tracking %}
import os
{%- endif %}
from datetime import UTC, datetime
from typing import TYPE_CHECKING
{% if cookiecutter.tracking %}
from {{ cookiecutter.package }} import tracking

{% else %}
from {{ cookiecutter.package }} import s3
from {{ cookiecutter.package }}.schema import PROJECT

{% endif -%}
from .check import HTML_FILE, JSON_FILE, PERFORMANCE_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from .check import Judged

FOLDER = "monitoring"
{%- if not cookiecutter.tracking %}
MEDIA_TYPES = {".html": "text/html; charset=utf-8", ".json": "application/json"}
{%- endif %}


def publish(reports: Path, judged: Judged) -> str:
{%- if cookiecutter.tracking %}
    """Store the reports of a check as artifacts of the run that made the model, under the check's time.

    Args:
        reports: the folder that the check wrote to.
        judged: what it found.

    Returns:
        Where they are.

    Raises:
        RegistryError: MLflow can't be reached.
    """
    folder = f"{FOLDER}/{_stamp(judged)}"
    with tracking.connection() as client:
        for path in _written(reports):
            client.log_artifact(judged.run_id, str(path), folder)
    return f"{folder} of run {judged.run_id}"
{%- else %}
    """Store the reports of a check in the bucket `ARTIFACT_BUCKET`, under the check's time.

    Args:
        reports: the folder that the check wrote to.
        judged: what it found.

    Returns:
        Where they are; empty if no bucket is set.

    Raises:
        StoreError: the store can't be reached, or refuses.
    """
    bucket = os.environ.get("ARTIFACT_BUCKET", "")
    if not bucket:
        return ""
    prefix = f"{FOLDER}/{PROJECT}/{_stamp(judged)}"
    where = f"{s3.SCHEME}{bucket}/{prefix}"
    with s3.errors(f"writing {where}"):
        client = s3.connect()
        for path in _written(reports):
            client.put_object(
                Bucket=bucket,
                Key=f"{prefix}/{path.name}",
                Body=path.read_bytes(),
                ContentType=MEDIA_TYPES[path.suffix],
            )
    return where
{%- endif %}


def _stamp(judged: Judged) -> str:
    """Return the check's time as a folder's name, which sorts by time."""
    return datetime.fromisoformat(judged.time).astimezone(UTC).strftime("%Y-%m-%dT%H%M%SZ")


def _written(reports: Path) -> list[Path]:
    names = (HTML_FILE, JSON_FILE, PERFORMANCE_FILE)
    return [path for name in names if (path := reports / name).is_file()]
