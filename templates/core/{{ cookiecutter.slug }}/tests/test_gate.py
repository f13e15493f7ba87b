from dataclasses import replace

import pytest

from {{ cookiecutter.package }}.gate import Duel, Lead, Scores, decide, scores

NAN = float("nan")
INF = float("inf")
FOLDS = "its roc_auc in 5-fold cross-validation is"
ROWS = "its roc_auc on the test rows is"
NO = "no better than an answer that ignores the features:"
UNCLEAR = "not clearly better than an answer that ignores the features:"
MET = "test rows that neither was trained on; the standard error of the difference is 0.0300"
GOOD = Scores(
    "roc_auc",
    candidate=0.7,
    baseline=0.65,
    constant=0.5,
    tested=Lead(0.2, 0.05),
    over_constant=Lead(0.2, 0.03, 5),
    over_baseline=Lead(0.05, 0.01, 5),
)


def judged(tolerance=0.01, **given):
    return decide(replace(GOOD, **given), tolerance)


@pytest.mark.parametrize(
    ("lead", "value", "reason"),
    [
        # What knows nothing is above an answer that ignores the features half of the time.
        ("tested", Lead(0.0, 0.05), f"{NO} {ROWS} 0.0000 lower"),
        ("tested", Lead(-0.1, 0.05), f"{NO} {ROWS} 0.1000 lower"),
        ("tested", Lead(0.05, 0.06), f"{UNCLEAR} {ROWS} 0.0500 higher, within the 0.0600 that chance"),
        ("tested", Lead(0.05, INF), UNCLEAR),
        ("tested", Lead(NAN, 0.01), NO),
        ("over_constant", Lead(0.041, 0.047, 5), f"{UNCLEAR} {FOLDS} 0.0410 higher, within the 0.0940"),
        ("over_constant", Lead(-0.01, 0.01, 5), f"{NO} {FOLDS} 0.0100 lower"),
        ("over_constant", Lead(NAN, NAN, 5), NO),
        ("over_baseline", Lead(-0.05, 0.0, 5), f"{FOLDS} 0.0500 lower, more than the 0.0100 that chance"),
        ("over_baseline", Lead(NAN, 0.0, 5), "clearly worse than the linear baseline"),
    ],
)
def test_a_model_that_knows_too_little_is_refused(lead, value, reason):
    decision = judged(**{lead: value})
    assert not decision.promoted
    assert reason in decision.reason


@pytest.mark.parametrize(
    ("lead", "value", "reason"),
    [
        ("tested", Lead(0.07, 0.06), f"better than the linear baseline: {FOLDS} 0.0500 higher, with"),
        ("over_baseline", Lead(-0.05, 0.03, 5), f"{FOLDS} 0.0500 lower, within the 0.0600 that chance"),
        ("over_baseline", Lead(-0.005, 0.0, 5), f"{FOLDS} 0.0050 lower, within the 0.0100 that chance"),
        ("baseline", 0.75, "better than the linear baseline"),  # it is no hurdle on the test rows alone
    ],
)
def test_without_a_champion_the_folds_decide_and_the_test_rows_have_to_agree(lead, value, reason):
    decision = judged(**{lead: value})
    assert (decision.promoted, decision.champion, decision.behind) == (True, None, 0.0)
    assert reason in decision.reason


def test_where_cross_validation_was_left_out_the_test_rows_have_to_be_clear_themselves():
    decision = judged(tested=Lead(0.08, 0.05), over_constant=Lead(0.08, 0.05))
    assert not decision.promoted
    assert f"{ROWS} 0.0800 higher, within the 0.1000 that chance covers" in decision.reason
    assert judged(tested=Lead(0.11, 0.05), over_constant=Lead(0.11, 0.05)).promoted


@pytest.mark.parametrize(
    ("candidate", "champion", "fresh", "behind", "promoted", "reason"),
    [
        (0.80, 0.72, False, 0.0, True, f"better than the champion: roc_auc 0.8000 against 0.7200 on 9 {MET}"),
        (0.72, 0.72, False, 0.0, True, "as good as the champion: roc_auc 0.7200 against 0.7200 on"),
        (0.719, 0.72, False, 0.0, False, "worse than the champion, which learned from the same data: "),
        (0.715, 0.72, True, 0.0, True, "a little worse than the champion, which the tolerance of 0.01"),
        (0.70, 0.72, True, 0.0, False, "worse than the champion by more than the tolerance of 0.01: "),
        (0.715, 0.72, True, 0.008, False, "with the steps down before it by 0.0130 in all, more than the"),
        (0.80, 0.72, True, 0.5, True, "better than the champion"),  # whatever was lost before
        (0.7200001, 0.72, False, 0.0, True, "roc_auc 0.7200001 against 0.7200000 on"),
        (NAN, 0.72, True, 0.0, False, "worse than the champion"),
    ],
)
def test_only_a_model_of_other_data_may_be_a_little_worse(
    candidate, champion, fresh, behind, promoted, reason
):
    duel = Duel("roc_auc", candidate, champion, 9, 0.03, fresh, behind)
    decision = judged(duel=duel)
    assert decision.promoted is promoted
    assert reason in decision.reason


def test_a_champion_excuses_nothing_that_is_refused_without_one():
    duel = Duel("roc_auc", 0.8, 0.7, 1000, 0.0)
    assert "linear baseline" in judged(duel=duel, over_baseline=Lead(-0.05, 0.0, 5)).reason
    assert "ignores the features" in judged(duel=duel, over_constant=Lead(0.01, 0.1, 5)).reason


def test_many_small_steps_down_do_not_add_up():
    """Each model is 0.004 worse than the one before it, and learned from one more row."""
    champion, behind = 0.8, 0.0
    for _ in range(20):
        duel = Duel("roc_auc", champion - 0.004, champion, 9, 0.03, fresh=True, behind=behind)
        decision = judged(duel=duel)
        if decision.promoted:
            champion, behind = decision.candidate, decision.behind
    assert champion == pytest.approx(0.792)
    better = judged(duel=replace(duel, candidate=champion + 0.003))
    assert (better.promoted, better.behind) == (True, pytest.approx(0.005))


def test_the_reported_baseline_is_the_stronger_one():
    assert judged(baseline=-0.1, constant=0.0).baseline == 0.0


def test_the_metric_that_decided_is_the_reported_one():
    decision = judged(duel=Duel("f1_macro", 0.5, 0.4, 10, 0.0))
    assert (decision.metric, decision.candidate, decision.champion) == ("f1_macro", 0.5, 0.4)
    assert "f1_macro 0.5000 against 0.4000" in decision.reason


def measured(cross_validation):
    groups = {name: {"r2": value} for name, value in (("model", 0.4), ("baseline", 0.5), ("constant", 0.0))}
    noise = {"baseline": 0.01, "constant": 0.02}
    return {"metric": "r2", "noise": noise, "cross_validation": cross_validation} | groups


def test_the_leads_are_those_of_the_cross_validation():
    lead = {"baseline": {"mean": 0.2, "error": 0.03}, "constant": {"mean": 0.5, "error": 0.04}}
    found = scores(measured({"folds": 4, "lead": lead}))
    assert (found.over_baseline, found.over_constant) == (Lead(0.2, 0.03, 4), Lead(0.5, 0.04, 4))
    assert found.tested == Lead(0.4, 0.02)
    assert decide(found, 0.0).promoted


def test_the_test_rows_decide_where_it_was_left_out():
    found = scores(measured({"folds": 0, "reason": "too large"}))
    assert found.over_baseline == Lead(pytest.approx(-0.1), 0.01)
    assert found.over_constant == found.tested
    assert "its r2 on the test rows is 0.1000 lower" in decide(found, 0.0).reason
