"""What a retraining trains on, where, and when there is nothing to train on."""

from __future__ import annotations
{% if cookiecutter.serving != "none" %}
import io
from pathlib import Path
{%- endif %}
from types import SimpleNamespace

import pytest

from {{ cookiecutter.package }} import config, data, intake, registry, {% if cookiecutter.serving != "none" %}remote, {% endif %}sources
from {{ cookiecutter.package }}.errors import RegistryError
from {{ cookiecutter.package }}.monitoring import training
from {{ cookiecutter.package }}.monitoring.retrain import NOTHING_NEW
from {{ cookiecutter.package }}.pipelines import store
from {{ cookiecutter.package }}.pipelines.settings import REGISTRY
from {{ cookiecutter.package }}.promotion import ModelVersion
{%- if cookiecutter.serving != "none" %}
from {{ cookiecutter.package }}.schema import TARGET
{%- endif %}

from support import {% if cookiecutter.serving != "none" %}ROOT, SAMPLE{% else %}ROOT{% endif %}

SUBMITTED = ["submit", "--data-version", "latest", "--wait"]
LATEST = "1" * 32 + ".dir"


@pytest.fixture
def ran(monkeypatch, tmp_path):
    """What the pipeline's program was told; `code` is what it ends with."""
    found = SimpleNamespace(told=[], code=0)
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    monkeypatch.setattr(training, "pipelines", lambda told: found.told.append(told) or found.code)
    monkeypatch.setattr(registry, "versions", list)
    return found


def trained_on(data_version):
    """A registered version that this code made of this data."""
    params = {name: str(value) for name, value in config.load().flat().items()}
    return ModelVersion(
        "model", "7", "run", "0", data_version, {}, params, code=sources.fingerprint(), promoted=False
    )


def record():
    """Note which version data/raw is, as DVC does."""
    intake.RECORD.write_text(f"outs:\n- md5: {data.version(data.RAW)}\n  path: raw\n")
{% if cookiecutter.serving == "none" %}

@pytest.fixture
def retrain(monkeypatch):
    """A retraining: of data/raw, or of what was published last."""
    monkeypatch.setattr(intake, "start", lambda: data.version(data.RAW))
    monkeypatch.setattr(store, "resolve", lambda *_: LATEST)
    return training.run


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:1"])
def test_it_trains_on_what_was_published_last_unless_that_is_known(ran, retrain, monkeypatch, endpoint):
    monkeypatch.setenv("KFP_ENDPOINT", endpoint)
    monkeypatch.setenv("DATA_BUCKET", "data")
    assert retrain() == 0
    assert ran.told == [SUBMITTED if endpoint else ["run", "--param", f"data_version={LATEST}"]]
    monkeypatch.setattr(registry, "versions", lambda: [trained_on(LATEST)])
    monkeypatch.setenv(REGISTRY[0], "somewhere")
    assert retrain() == NOTHING_NEW
    assert len(ran.told) == 1
{%- else %}

class Objects:
    """An object store in memory."""

    class exceptions:  # noqa: N801, boto3's name
        ClientError = OSError

    def __init__(self):
        self.content = {}

    def get_object(self, *, Bucket, Key):  # noqa: N803, boto3's names
        body = self.content[Key]
        return {"Body": SimpleNamespace(iter_chunks=lambda _: [body], read=io.BytesIO(body).read)}

    def head_object(self, *, Bucket, Key):  # noqa: N803
        return self.content[Key] and {}

    def put_object(self, *, Bucket, Key, Body):  # noqa: N803
        self.content[Key] = Body


@pytest.fixture
def log(rows, write_log, options):
    """A log of 20 predictions whose labels are known."""
    write_log(rows, 20, actual=TARGET)
    return options.log


@pytest.fixture
def retrain(log, monkeypatch):
    """A retraining: of data/raw, or of what was published last, and of the labelled predictions."""
    monkeypatch.setattr(remote, "dvc", lambda *_: record())
    return lambda: training.run(log)


@pytest.fixture
def objects(monkeypatch, tmp_path):
    """A store in which the sample was published."""
    found = Objects()
    monkeypatch.setattr("boto3.session.Session.client", lambda *_, **__: found)
    monkeypatch.setenv("DATA_BUCKET", "data")
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / SAMPLE.name).write_bytes(SAMPLE.read_bytes())
    version = data.version(folder)
    found.content |= {
        f"dvc/{store.object_key(version)}": data.listing(folder),
        f"dvc/{store.object_key(data.file_md5(SAMPLE))}": SAMPLE.read_bytes(),
        "dvc/latest": version.encode(),
    }
    return found


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:1"])
def test_labelled_predictions_are_published_with_the_data_and_trained_on(
    ran, retrain, objects, monkeypatch, tmp_path, endpoint
):
    monkeypatch.setenv("KFP_ENDPOINT", endpoint)
    before = objects.content["dvc/latest"].decode()
    assert retrain() == 0
    version = objects.content["dvc/latest"].decode()
    assert version != before
    assert ran.told == [SUBMITTED if endpoint else ["run", "--param", f"data_version={version}"]]
    files = store.fetch(store.open_store(), version, tmp_path / "fetched")
    assert data.version(tmp_path / "fetched") == version
    assert [path.name.partition("-")[0] for path in files] == ["feedback", SAMPLE.name]
    assert len(data.read_file(files[0])) == 20
    # What somebody works on stays as it is.
    assert not Path("data").exists()

    assert retrain() == 0
    assert objects.content["dvc/latest"].decode() == version
    monkeypatch.setattr(registry, "versions", lambda: [trained_on(version)])
    monkeypatch.setenv(REGISTRY[0], "somewhere")
    told = len(ran.told)
    assert retrain() == NOTHING_NEW
    assert len(ran.told) == told


def test_labelled_predictions_come_into_the_data_that_is_here(ran, retrain, raw):
    record()
    assert retrain() == 0
    assert len(list(raw.glob("feedback-*.parquet"))) == 1
    assert ran.told == [["run", "--param", f"data_version={data.version(raw)}"]]
{%- endif %}


def test_where_no_store_is_known_the_server_trains_on_what_was_published(ran, retrain, monkeypatch, capsys):
    monkeypatch.setenv("KFP_ENDPOINT", "http://127.0.0.1:1")
    assert retrain() == 0
    assert ran.told == [SUBMITTED]
    assert "DATA_BUCKET isn't set" in capsys.readouterr().out


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:1"])
def test_a_training_that_fails_there_or_here_has_failed(ran, retrain, raw, monkeypatch, endpoint):
    monkeypatch.setenv("KFP_ENDPOINT", endpoint)
    record()
    ran.code = 1
    assert retrain() == 1


def test_with_nothing_new_no_training_starts(ran, retrain, raw, monkeypatch, capsys):
    record()
    assert retrain() == 0
    ran.told.clear()
    monkeypatch.setattr(registry, "versions", lambda: [trained_on(data.version(raw))])
    assert retrain() == NOTHING_NEW
    assert "nothing new to train on: version 7 has this data" in capsys.readouterr().out
    assert ran.told == []


def test_a_registry_that_is_away_stops_no_training(ran, retrain, raw, monkeypatch, capsys):
    def away():
        raise RegistryError("it is away")

    record()
    monkeypatch.setattr(registry, "versions", away)
    assert retrain() == 0
    assert "the registry can't tell: it is away" in capsys.readouterr().out
