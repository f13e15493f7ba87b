"""The registry's files: in a folder, and on a real S3 server where there is one."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from {{ cookiecutter.package }} import model, registry, storage
from {{ cookiecutter.package }}.errors import RegistryError

from support import free_port, object_store

WRITERS = 8


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The environment of a project whose registry lies on a server of its own."""
    with object_store(tmp_path_factory.mktemp("store"), "bucket") as variables:
        yield variables | {"ARTIFACT_BUCKET": "bucket"}


@pytest.fixture
def bucket(server, monkeypatch, request):
    """The registry is in a bucket, below a prefix of this test's own."""
    monkeypatch.setattr(storage, "FOLDER", f"registry-{request.node.name}")
    for name, value in server.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["folder", "bucket"])
def place(request):
    """Either kind of storage."""
    if request.param == "bucket":
        request.getfixturevalue("bucket")
    return storage.open_storage()


def test_an_object_is_written_only_on_its_condition(place):
    assert place.read("a.json") is None
    assert place.write("a.json", b"1", None)
    assert not place.write("a.json", b"2", None)
    first = place.read("a.json")
    assert first.content == b"1"
    assert place.write("a.json", b"2", first.tag)
    assert not place.write("a.json", b"3", first.tag)
    assert not place.write("b.json", b"3", first.tag)
    assert place.read("a.json").content == b"2"


def test_names_are_those_directly_below(place):
    assert place.names("versions") == []
    for key in ("versions/1.json", "versions/2.json", "versions/deep/3.json", "versionless/4.json"):
        place.put(key, b"{}")
    assert sorted(set(place.names("versions")) - {"deep"}) == ["1.json", "2.json"]


def test_of_many_writers_one_wins_each_time(place):
    """Each adds its letter, and repeats that until nobody came in between."""
    place.write("letters", b"", None)
    together = threading.Barrier(WRITERS)

    def add(letter):
        together.wait(timeout=60)
        for _ in range(200):
            stored = place.read("letters")
            if place.write("letters", stored.content + letter.encode(), stored.tag):
                return letter
        return None

    letters = "abcdefgh"
    with ThreadPoolExecutor(WRITERS) as pool:
        assert "".join(pool.map(add, letters)) == letters
    assert "".join(sorted(place.read("letters").content.decode())) == letters


def test_two_writers_never_take_the_same_number(place, trained):
    card = json.loads((trained.model / model.CARD_FILE).read_text())
    together = threading.Barrier(WRITERS)

    def add(_):
        together.wait(timeout=60)
        return registry._add(
            place, trained.models, trained.metrics, trained.reports, trained.params, card
        ).version

    with ThreadPoolExecutor(WRITERS) as pool:
        numbers = list(pool.map(add, range(WRITERS)))
    assert sorted(numbers, key=int) == [str(number) for number in range(1, WRITERS + 1)]
    assert [found.version for found in registry.versions()] == sorted(numbers, key=int, reverse=True)


def test_the_life_of_a_champion_in_a_bucket(bucket, project, tmp_path):
    assert project.register(1.0).version == "1"
    assert project.register(1.0, seed=1).champion is not None
    assert registry.champion().version == "2"
    assert registry.rollback().version == "1"
    champion = registry.champion()
    assert champion.commit == ""
    assert model.load(registry.download(champion, tmp_path / "download"), champion.sha256)
    assert not Path("registry").exists()
    reports = storage.open_storage().names(f"models/{champion.sha256}/reports")
    assert {"model_card.md", "dataset_card.md", "validation.json"} <= set(reports)


def test_a_rollback_that_meets_a_promotion_is_an_error(project, monkeypatch):
    project.register(1.0)
    project.register(1.0, seed=1)
    version = registry._version

    def interleaved(*arguments):
        monkeypatch.setattr(registry, "_version", version)
        project.register(1.0, seed=2)
        return version(*arguments)

    monkeypatch.setattr(registry, "_version", interleaved)
    with pytest.raises(RegistryError, match="changed while version 2 was rolled back"):
        registry.rollback()
    assert registry.champion().version == "3"


def test_a_version_never_changes(project):
    project.register(1.0)
    before = Path("registry/versions/1.json").read_bytes()
    project.register(1.0, seed=1)
    registry.rollback()
    assert Path("registry/versions/1.json").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"champion": "1"}'])
def test_a_damaged_state_is_named(project, content):
    project.register(1.0)
    Path("registry/registry.json").write_bytes(content)
    with pytest.raises(RegistryError, match=r"registry\.json"):
        registry.champion()


def test_a_missing_or_damaged_version_is_named(project, tmp_path):
    project.register(1.0)
    champion = registry.champion()
    (Path("registry/models") / champion.sha256 / "model.json").unlink()
    with pytest.raises(RegistryError, match=r"no models/.*/model\.json"):
        registry.download(champion, tmp_path / "download")
    Path("registry/versions/1.json").write_text("{}")
    with pytest.raises(RegistryError, match=r"versions/1\.json is incomplete"):
        registry.champion()
    Path("registry/versions/1.json").unlink()
    with pytest.raises(RegistryError, match=r"no versions/1\.json"):
        registry.champion()


def test_a_folder_that_can_not_be_used_is_named(project):
    Path("registry").write_text("a file")
    with pytest.raises(RegistryError, match="can't be used"):
        registry.champion()
    with pytest.raises(RegistryError, match="can't be used"):
        project.register(1.0)


def test_a_dead_server_is_a_clear_error(project, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("ARTIFACT_BUCKET", "bucket")
    for call in (registry.champion, registry.versions, registry.rollback, lambda: project.register(1.0)):
        with pytest.raises(RegistryError, match=r"(?s)s3://bucket/registry.*is the store running"):
            call()


@pytest.mark.parametrize(
    ("name", "value"), [("AWS_SECRET_ACCESS_KEY", "wrong"), ("ARTIFACT_BUCKET", "other")]
)
def test_a_wrong_secret_or_bucket_is_a_clear_error(bucket, project, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(RegistryError, match="ARTIFACT_BUCKET"):
        project.register(1.0)
    assert not Path("registry").exists()
