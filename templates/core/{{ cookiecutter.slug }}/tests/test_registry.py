"""The registry as the rest of the project knows it, wherever it keeps its models."""

import json
from dataclasses import replace

import pytest

from {{ cookiecutter.package }} import __main__ as program
from {{ cookiecutter.package }} import (
    config,
    data,
    evaluate,
    gate,
    model,
    promotion,
    registry,
    sources,
)
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
    assert {
        "training_seconds",
        "training_cpu_seconds",
        "training_peak_memory_mb",
        "training_model_seconds",
        "training_baseline_seconds",
        "training_cross_validation_cpu_seconds",
        "training_evaluation_cpu_seconds",
    } <= champion.metrics.keys()
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
    again = project.register(1.0, seed=2)
    assert str(again).startswith("unchanged: version 3: ")
    assert "it was champion before; to make it that again: make promote VERSION=3" in again.reason
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
    monkeypatch.setattr(data, "unseen", lambda rows, origin: rows.head(0))
    decision = project.register(1.0, seed=1)
    assert not decision.promoted
    assert f"only 0 of {len(trained.test_rows)} test rows are new to it" in decision.reason


@pytest.mark.parametrize("change", [{"features": ["another"]}, {"kinds": ["another"]}, {"target": "another"}])
def test_a_champion_of_other_columns_gives_way(project, monkeypatch, change):
    project.register(1.0)
    monkeypatch.setattr(model, "QUESTION", model.QUESTION | change)
    decision = project.register(1.0, seed=1)
    assert decision.promoted
    assert "the champion, version 1, was trained on other columns and gives way" in decision.reason
    assert project.register(1.0, seed=2).promoted


@pytest.mark.parametrize(("fails", "said"), [(True, "ValueError: no such"), (False, "is no number")])
def test_a_champion_that_can_not_be_measured_gives_way(project, monkeypatch, fails, said):
    """A library or the code changed since: it must not block every model after it."""

    def score(*_):
        if fails:
            raise ValueError("no such\nthing")
        return float("nan")

    project.register(1.0)
    monkeypatch.setattr(evaluate, "score", score)
    decision = project.register(1.0, seed=1)
    assert decision.promoted
    assert "the champion, version 1, can't be measured any more" in decision.reason
    assert said in decision.reason
    assert registry.champion().version == "2"
    assert not project.register(-2.0, seed=2).promoted


@pytest.fixture
def measured(monkeypatch):
    """What the champion and a new model get on the rows of their comparison, to be set by the test."""
    scores = {"champion": 0.5, "candidate": 0.5}

    def score(fitted, *_):
        who = "candidate" if fitted is scores["loaded"] else "champion"
        return scores[who]

    load = model.load

    def remembered(directory, *arguments):
        fitted = load(directory, *arguments)
        if directory.parent.name.startswith("models"):
            scores["loaded"] = fitted
        return fitted

    monkeypatch.setattr(model, "load", remembered)
    monkeypatch.setattr(evaluate, "score", score)
    monkeypatch.setattr(evaluate, "noise", lambda *_: 0.25)
    return scores


def test_with_the_same_data_a_model_has_to_be_as_good_as_the_champion(project, measured):
    project.register(1.0)
    measured["candidate"] = 0.499
    decision = project.register(1.0, seed=1, fresh=False)
    assert not decision.promoted
    assert "worse than the champion, which learned from the same data" in decision.reason
    measured["candidate"] = 0.5
    decision = project.register(1.0, seed=1, fresh=False)
    assert (decision.promoted, registry.champion().version) == (True, "2")


def test_what_champions_give_away_counts_together(project, measured):
    """Else a little worse each time would lead anywhere: the tolerance is 0.99 here."""
    project.register(1.0)
    measured["candidate"] = 0.0
    assert project.register(1.0, seed=1).behind == registry.champion().behind == 0.5
    decision = project.register(1.0, seed=2)
    assert not decision.promoted
    assert "with the steps down before it by 1.0000 in all" in decision.reason
    measured["candidate"] = 0.75
    assert project.register(1.0, seed=2).behind == registry.champion().behind == 0.25
    registry.rollback()
    registry.rollback()
    assert registry.champion().behind == 0


def test_a_version_is_promoted_by_hand_and_that_can_be_taken_back(project, monkeypatch):
    project.register(1.0)
    refused = project.register(-2.0, seed=1)
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Jo")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "jo@localhost")
    decision = registry.promote("2", "the test rows\nare wrong ")
    assert str(decision) == (
        "promoted: version 2: by hand, in place of version 1, by Jo <jo@localhost>: the test rows are wrong "
        f"(the gate had refused it: {refused.reason})"
    )
    champion = registry.champion()
    assert (champion.version, champion.promoted, champion.reason) == ("2", True, decision.reason)
    assert registry.promote("2", "").unchanged
    assert project.register(-2.0, seed=1).unchanged
    assert registry.champion() == champion

    assert registry.rollback().version == "1"
    assert registry.find("2").rolled_back
    assert registry.promote("2", "").reason.endswith("by Jo <jo@localhost>: no reason given")
    assert not registry.find("2").rolled_back
    # Each rollback undoes one promotion, also where a version became champion twice.
    assert "in place of version 2" in registry.promote("1", "").reason
    assert registry.promote("2", "").promoted
    assert [registry.rollback().version for _ in range(3)] == ["1", "2", "1"]
    with pytest.raises(RegistryError, match="first champion"):
        registry.rollback()


def test_only_what_this_code_can_use_is_promoted_by_hand(project, monkeypatch, tmp_path):
    for unknown in ("1", "champion", "0" * 32, "", "²"):
        with pytest.raises(RegistryError, match="has no version"):
            registry.promote(unknown, "")
    project.register(-2.0)
    with monkeypatch.context() as patch:
        patch.setattr(model, "QUESTION", model.QUESTION | {"kinds": []})
        with pytest.raises(RegistryError, match="other columns"):
            registry.promote("1", "")
    (stored,) = tmp_path.rglob("model.skops")
    content = stored.read_bytes()
    stored.write_bytes(content + b"x")
    with pytest.raises(UntrustedModelError, match="isn't the registered model"):
        registry.promote("1", "")
    assert registry.champion() is None
    stored.write_bytes(content)
    assert "by hand, by " in registry.promote("1", "").reason
    assert registry.champion().version == "1"


def test_what_the_gate_never_decided_can_be_promoted_by_hand(project, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(gate, "decide", broken)
        with pytest.raises(ZeroDivisionError):
            project.register(1.0)
    decision = registry.promote("1", "")
    assert (decision.promoted, decision.candidate) == (True, 1.0)
    assert str(project.register(1.0)).endswith("and it is the champion")


def test_a_promotion_by_hand_that_meets_another_is_an_error(project, monkeypatch):
    project.register(1.0)
    project.register(-2.0, seed=1)
    by_hand = promotion.by_hand

    def interleaved(*arguments):
        decision = by_hand(*arguments)
        monkeypatch.setattr(promotion, "by_hand", by_hand)
        project.register(1.0, seed=2)
        return decision

    monkeypatch.setattr(promotion, "by_hand", interleaved)
    with pytest.raises(RegistryError, match="changed while version 2 was promoted"):
        registry.promote("2", "")
    assert registry.champion().version == "3"


def test_the_list_of_versions_tells_what_became_of_each(project, capsys, monkeypatch):
    for number, score in enumerate((1.0, -2.0, 1.0, 1.0)):
        project.register(score, seed=number or None)
    with monkeypatch.context() as patch:
        patch.setattr(gate, "decide", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            project.register(1.0, seed=4)
    assert program.main(["rollback"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "champion is version 3 again",
        "to take that back: make promote VERSION=4",
    ]
    assert program.main(["promote", "2", "--reason", "it answers faster"]) == 0
    assert capsys.readouterr().out.startswith("promoted: version 2: by hand, in place of version 3, by ")
    assert program.main(["versions"]) == 0
    lines = capsys.readouterr().out.splitlines()
    states = ("undecided", "rolled back", "was promoted", "champion", "was promoted")
    assert all(f"  {state} " in line for state, line in zip(states, lines, strict=True))
    assert ": it answers faster (the gate had refused it: no better than" in lines[3]


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
