"""One training for an alert: on Kubeflow or here, with what is new in the data; the gate decides."""

from __future__ import annotations

import os
{%- if cookiecutter.serving != "none" %}
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
{%- endif %}

from {{ cookiecutter.package }} import config, {% if cookiecutter.serving != "none" %}data{% else %}intake{% endif %}, promotion, registry{% if cookiecutter.serving != "none" %}, remote, s3{% endif %}
from {{ cookiecutter.package }}.errors import RegistryError
from {{ cookiecutter.package }}.pipelines import settings, store
from {{ cookiecutter.package }}.pipelines.__main__ import main as pipelines
{%- if cookiecutter.serving != "none" %}
from {{ cookiecutter.package }}.serving.collect import collect
{%- endif %}

from .retrain import NOTHING_NEW
{%- if cookiecutter.serving != "none" %}

COLLECTED = timedelta(days=90)
"""How far back labelled predictions are looked for."""
{%- endif %}


def run({% if cookiecutter.serving != "none" %}log: str{% endif %}) -> int:
    """Train anew on Kubeflow, if `KFP_ENDPOINT` names a server, else here, and wait for its end.
{% if cookiecutter.serving != "none" %}
    Labelled predictions first become training data. With a store in `DATA_BUCKET`, they are added to the data
    that was published last, and the result is published; without one, to data/raw.
{% else %}
    With a store in `DATA_BUCKET`, the data is what was published last; without one, data/raw.
{% endif %}
{%- if cookiecutter.serving != "none" %}
    Args:
        log: the prediction log: a folder or `s3://bucket/prefix`.
{% endif %}
    Returns:
        The exit code: 0 done, a refusal by the gate included; NOTHING_NEW if the data, the code and the
        parameters are those of a version that the registry has, so that nothing was trained; else 1.

    Raises:
        DataError: {% if cookiecutter.serving != "none" %}the labelled predictions break the schema{% else %}there is no data here{% endif %}.
        StoreError: the store can't be reached, or no data was published.
    """
    elsewhere = bool(os.environ.get("KFP_ENDPOINT"))
    if os.environ.get("DATA_BUCKET"):
        version = {% if cookiecutter.serving != "none" %}_published(log){% else %}store.resolve(store.open_store(), store.LATEST){% endif %}
    elif elsewhere:
        version = ""
        print("DATA_BUCKET isn't set: the server trains on the data that was published last, as it is")
    else:
        version = {% if cookiecutter.serving != "none" %}_collected(log){% else %}intake.start(){% endif %}
    if version and (remark := _known(version, elsewhere=elsewhere)):
        print(f"nothing new to train on: {remark}")
        return NOTHING_NEW
    if elsewhere:
        return pipelines(["submit", "--data-version", store.LATEST, "--wait"])
    return pipelines(["run", "--param", f"data_version={version}"])
{%- if cookiecutter.serving != "none" %}


def _collected(log: str) -> str:
    """Take what is newly labelled into data/raw; return the data version."""
    found = collect(log, datetime.now(UTC) - COLLECTED)
    print(found)
    return found.version


def _published(log: str) -> str:
    """Add what is newly labelled to the data that was published last, and publish it; return its version.

    This needs no repository, and leaves one as it is: an alert must not change what somebody works on.
    """
    opened = store.open_store()
    version = store.resolve(opened, store.LATEST)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / data.RAW.name
        store.fetch(opened, version, folder)
        found = collect(log, datetime.now(UTC) - COLLECTED, folder)
        print(found)
        if found.file is None:
            return version
        _upload(found.file, data.listing(folder), found.version)
    store.publish(opened, found.version)
    print(f"data version {found.version} is published")
    return found.version


def _upload(file: Path, listing: bytes, version: str) -> None:
    """Put into the store what a data version has more than one that is there: a file, and its listing."""
    bucket = os.environ["DATA_BUCKET"]
    content = {data.file_md5(file): file.read_bytes(), version: listing}
    with s3.errors(f"writing data version {version}"):
        client = s3.connect()
        for md5, body in content.items():
            client.put_object(Bucket=bucket, Key=f"{remote.PREFIX}/{store.object_key(md5)}", Body=body)
{%- endif %}


def _known(version: str, *, elsewhere: bool) -> str:
    """Say which registered version a training on this data would give again; nothing if none is known."""
    if elsewhere and not any(os.environ.get(name) for name in settings.REGISTRY):
        return ""  # the server's registry isn't known here
    try:
        found = promotion.trained_already(registry.versions(), version, config.load())
    except RegistryError as error:
        print(f"it may be that nothing is new, the registry can't tell: {error}")
        return ""
    if found is None:
        return ""
    return f"version {found.version} has this data ({version}), this code and these parameters"
