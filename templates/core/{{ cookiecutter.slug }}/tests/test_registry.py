"""The registry as the rest of the project knows it, wherever it keeps its models."""

import json
from dataclasses import replace

import pytest

from {{ cookiecutter.package }} import config, data, gate, model, promotion, registry, sources
from {{ cookiecutter.package }}.errors import RegistryError, UntrustedModelError
from {{ cookiecutter.package }}.schema import PROJECT


def test_the_life_of_a_champion(project, trained, tmp_path):
    assert registry.champion() is None
    assert registry.versions() == []
    with pytest.raises(RegistryError, match="make train"):
        registry.rollback()

    first = project.register(1.0)
    assert (first.promoted, first.version, first.champion) == (True, "1", None)
    champion = registry.champion()
    card = json.loads((trained.model / model.CARD_FILE).read_text())
    assert (champion.name, champion.version, champion.sha256) == (PROJECT, "1", card["sha256"])
    assert (champion.promoted, champion.reason) == (True, first.reason)
    assert champion.data_version == trained.metrics["data_version"]
    assert champion.metrics["rows_test"] == trained.metrics["rows"]["test"]
    assert {"training_seconds", "training_cpu_seconds", "training_peak_memory_mb"} <= champion.metrics.keys()
    assert champion.params["model.kind"] == trained.params.model.kind
    assert champion.params.keys() == trained.params.flat().keys()

    folder = registry.download(champion, tmp_path / "download")
    assert sorted(path.name for path in folder.iterdir()) == [
        "model.json",
        "model.skops",
        "reference.parquet",
    ]
    assert model.load(folder, champion.sha256)

    assert project.register(-5.0).unchanged

    refused = project.register(-2.0, seed=1)
    assert (refused.promoted, refused.version) == (False, "2")
    assert registry.champion().version == "1"

    better = project.register(1.0, seed=2)
    assert (better.promoted, better.version) == (True, "3")
    assert better.champion is not None
    assert registry.champion().version == "3"
    assert [(found.version, found.promoted) for found in registry.versions()] == [
        ("3", True),
        ("2", False),
        ("1", True),
    ]
    assert [found.version for found in registry.versions(1)] == ["3"]

    assert registry.rollback().version == "1"
    assert registry.champion().version == "1"
    with pytest.raises(RegistryError, match="first champion"):
        registry.rollback()
    assert "isn't the champion any more" in project.register(1.0, seed=2).reason
    assert registry.champion().version == "1"


def test_versions_are_found_by_number_run_and_role(project):
    assert registry.find("champion") is None
    project.register(1.0)
    champion = registry.champion()
    assert registry.find("1") == registry.find("champion") == champion
    assert registry.find(champion.run_id).metrics == champion.metrics
    for unknown in ("2", "0" * 32, "9" * 32, "main", ""):
        assert registry.find(unknown) is None


def test_a_changed_champion_stops_the_comparison(project, tmp_path):
    project.register(1.0)
    (stored,) = tmp_path.rglob("model.skops")
    stored.write_bytes(stored.read_bytes() + b"x")
    with pytest.raises(UntrustedModelError, match="isn't the registered model"):
        project.register(1.0, seed=1)
    assert registry.champion().version == "1"


def test_a_decision_that_was_cut_short_is_made_again(project, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(gate, "decide", interrupted)
        with pytest.raises(KeyboardInterrupt):
            project.register(1.0)
    assert registry.champion() is None
    assert [found.promoted for found in registry.versions()] == [None]
    assert project.register(1.0).promoted
    assert [found.version for found in registry.versions()] == ["1"]
    assert registry.champion().version == "1"


def test_a_champion_that_changes_meanwhile_is_compared_again(project, monkeypatch):
    """Another process rolls back while this one compares its model with the champion of before."""
    project.register(1.0)
    project.register(1.0, seed=1)
    judge, compared = promotion.judge, []

    def interleaved(*arguments):
        compared.append(arguments[4].version)
        if len(compared) == 1:
            registry.rollback()
        return judge(*arguments)

    monkeypatch.setattr(promotion, "judge", interleaved)
    assert project.register(1.0, seed=2).promoted
    assert compared == ["2", "1"]
    assert registry.champion().version == "3"
    assert registry.rollback().version == "1"


def test_a_champion_that_never_stays_is_an_error_and_can_be_decided_later(project, monkeypatch):
    project.register(1.0)
    project.register(1.0, seed=1)
    judge, rolled_back = promotion.judge, []

    def restless(*arguments):
        decision = judge(*arguments)
        if arguments[0].name != "models-2":
            return decision  # one of the others' own
        if len(rolled_back) % 2 == 0:
            rolled_back.append(registry.rollback())
        else:
            rolled_back.append(project.register(1.0, seed=3 + len(rolled_back)))
        return decision

    with monkeypatch.context() as patch:
        patch.setattr(promotion, "judge", restless)
        with pytest.raises(RegistryError, match="the champion changed 3 times"):
            project.register(1.0, seed=2)
    assert len(rolled_back) == promotion.ATTEMPTS
    assert project.register(1.0, seed=2).promoted


def test_a_champion_that_knows_the_test_rows_is_not_compared_on_them(project, trained, monkeypatch):
    project.register(1.0)
    monkeypatch.setattr(data, "unseen", lambda rows, origin: rows.head(1))
    decision = project.register(1.0, seed=1)
    assert not decision.promoted
    assert f"only 1 of {len(trained.test_rows)} test rows are new to it" in decision.reason


def test_a_champion_of_other_columns_gives_way(project, monkeypatch):
    project.register(1.0)
    monkeypatch.setattr(promotion, "FEATURES", ("another",))
    decision = project.register(1.0, seed=1)
    assert decision.promoted
    assert "trained on other columns" in decision.reason


def test_the_same_model_again_changes_nothing(project, tmp_path):
    first = project.register(1.0)
    project.register(-2.0, seed=1)
    listed = registry.versions()
    again = project.register(1.0)
    assert str(again) == (
        "unchanged: version 1: this training gave the very same model, byte for byte, and it is the champion"
    )
    assert replace(again, reason=first.reason, promoted=True, unchanged=False) == first
    refused = project.register(-2.0, seed=1)
    assert (refused.promoted, refused.unchanged, refused.version) == (False, True, "2")
    assert "the gate refuses it: no better than" in refused.reason
    assert registry.versions() == listed
    assert registry.champion().version == "1"


def test_a_model_that_was_refused_is_judged_again(project):
    """The champion may be a weaker one by now, or the tolerance a wider one."""
    project.register(1.0)
    assert not project.register(-2.0, seed=1).promoted
    again = project.register(1.0, seed=1)
    assert (again.promoted, again.unchanged, again.version) == (True, False, "2")
    assert registry.champion().version == "2"
    assert registry.rollback().version == "1"
    assert project.register(1.0, seed=1).unchanged
    assert registry.champion().version == "1"


def test_a_training_that_would_bring_nothing_new_is_known(project, trained, monkeypatch):
    version = trained.metrics["data_version"]
    params = replace(trained.params, gate=config.GateParams(tolerance=0.99))

    def known(data_version=version, params=params):
        return promotion.trained_already(registry.versions(), data_version, params)

    assert known() is None
    project.register(-2.0)
    assert known().version == "1"
    assert known("0" * 32 + ".dir") is None
    assert known(params=trained.params) is None
    monkeypatch.setattr(sources, "fingerprint", lambda: "other")
    assert known() is None
