"""How the service follows the registry."""

from __future__ import annotations

import shutil

import pytest

from {{ cookiecutter.package }}.serving.store import ModelStore


def version(client):
    return client.get("/").json()["model"]["version"]


def test_a_promotion_and_a_rollback_are_followed_without_a_restart(client, registry, records, wait_until):
    for promoted in ("2", "1"):
        registry.current = promoted
        wait_until(lambda: version(client) == promoted)  # noqa: B023, called within this turn of the loop
        assert client.post("/predict", records[0]).json()["model_version"] == promoted
    # It is counted a moment after it is in use.
    wait_until(lambda: 'version="2"' not in client.get("/metrics").text)
    assert 'serving_model_info{model="model",version="1"} 1.0' in client.get("/metrics").text


def test_an_outage_of_the_registry_changes_nothing_for_clients(client, registry, records, wait_until):
    registry.down = True
    wait_until(lambda: "can't be loaded" in client.get("/readyz").json()["status"])
    assert client.get("/readyz").status == 200
    assert "secret" not in client.get("/readyz").text
    assert client.post("/predict", records[0]).status == 200
    assert "serving_registry_failures_total 0.0" not in client.get("/metrics").text


def test_a_champion_alias_that_was_taken_away_keeps_the_model(client, registry, records):
    registry.current = None
    assert client.post("/predict", records[0]).status == 200


@pytest.mark.parametrize("damage", ["bytes", "hash", "reference"])
def test_a_model_that_can_not_be_used_never_replaces_a_good_one(registry, tmp_path, damage):
    store = ModelStore(registry, poll_seconds=1)
    assert store.refresh().loaded is not None
    good, sha256 = registry.versions["2"][1], registry.versions["2"][0].sha256
    bad = tmp_path / "bad"
    shutil.copytree(good, bad)
    if damage == "bytes":
        (bad / "model.skops").write_bytes((bad / "model.skops").read_bytes()[:-1])
    if damage == "reference":
        (bad / "reference.parquet").unlink()
    registry.add("3", bad, "0" * 64 if damage == "hash" else sha256)
    registry.current = "3"
    assert store.refresh().error is not None
    assert store.current.version.version == "1"
    registry.current = "2"
    assert store.refresh().loaded.version.version == "2"
    assert store.status == "serving version 2"


def test_another_model_of_the_same_number_is_taken_up(registry):
    store = ModelStore(registry, poll_seconds=1)
    assert store.refresh().loaded.version.version == "1"
    assert store.refresh().loaded is None
    registry.add("1", *registry.versions["2"][1:], registry.versions["2"][0].sha256)
    assert store.refresh().loaded.version.sha256 == registry.versions["2"][0].sha256


def test_a_registry_that_stays_away_is_asked_less_often(registry):
    asked = []

    def champion():
        asked.append(1)
        raise ConnectionError("away")

    registry.champion = champion
    store = ModelStore(registry, poll_seconds=0.05)
    store.start()
    store._stopping.wait(1.0)
    store.stop()
    assert 2 <= len(asked) <= 6
    assert not store._thread.is_alive()
