"""True labels arrive: what the service takes and writes down."""

from __future__ import annotations

import pytest

from {{ cookiecutter.package }}.serving.feedback import RecentIds

NOBODY = "0" * 32


def predict(client, records):
    answers = client.post("/predict", {"records": records}).json()["predictions"]
    return [(answer["id"], answer["prediction"]) for answer in answers]


def test_labels_are_written_down_and_those_of_unknown_predictions_counted(
    serve, settings, registry, records, wait_until, log_lines
):
    with serve(settings, registry) as client:
        wait_until(lambda: client.get("/readyz").status == 200)
        (first, truth), (second, other) = predict(client, records[:2])
        answer = client.post("/feedback", {"id": first, "actual": truth})
        assert (answer.status, answer.json()) == (202, {"accepted": 1, "unknown": 0})
        batch = [{"id": second, "actual": other}, {"id": NOBODY, "actual": truth}]
        assert client.post("/feedback", {"labels": batch}).json() == {"accepted": 2, "unknown": 1}
        metrics = client.get("/metrics").text
    assert 'serving_feedback_total{prediction="known"} 2.0' in metrics
    assert 'serving_feedback_total{prediction="unknown"} 1.0' in metrics
    lines = log_lines("feedback")
    assert [(line["id"], line["actual"]) for line in lines] == [
        (first, truth),
        (second, other),
        (NOBODY, truth),
    ]
    assert all(list(line) == ["id", "time", "actual"] and line["time"].endswith("+00:00") for line in lines)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"id": "elsewhere"}, "id"),
        ({"id": 7}, "id"),
        ({"actual": None}, "actual"),
        ({"actual": [1]}, "actual"),
        ({"more": 1}, "more"),
{%- if cookiecutter.task == "classification" %}
        ({"actual": "no such class"}, "actual"),
        ({"actual": 10**30}, "actual"),
{%- else %}
        ({"actual": "12"}, "actual"),
        ({"actual": True}, "actual"),
{%- endif %}
    ],
)
def test_a_label_that_makes_no_sense_is_refused_with_its_whole_batch(
    client, records, log_lines, change, where
):
    ((name, truth),) = predict(client, records[:1])
    good = {"id": name, "actual": truth}
    answer = client.post("/feedback", good | change)
    assert answer.status == 422
    assert answer.json()["errors"][0]["where"].startswith(where)
    answer = client.post("/feedback", {"labels": [good, good | change]})
    assert answer.status == 422
    assert answer.json()["errors"][0]["where"].startswith(f"labels.1.{where}")
    assert log_lines("feedback") == []


def test_what_is_no_label_is_refused(steady):
    for body, status in ((b"", 400), (b"{", 400), (b"[]", 422), (b'{"labels": []}', 422), (b"null", 422)):
        assert steady.post("/feedback", body).status == status
    many = [{"id": NOBODY, "actual": 1}] * 21
    assert steady.post("/feedback", {"labels": many}).status in {413, 422}
    assert steady.post_untyped("/feedback", b"{}").status == 415
    assert steady.get("/feedback").status == 405

{% if cookiecutter.task == "classification" %}
def test_classes_are_told_apart_by_type_and_named(steady, models):
    from {{ cookiecutter.package }} import model

    for known in model.load(models["1"][0]).classes_.tolist():
        assert steady.post("/feedback", {"id": NOBODY, "actual": known}).status == 202
        if not isinstance(known, str):
            assert steady.post("/feedback", {"id": NOBODY, "actual": str(known)}).status == 422
    answer = steady.post("/feedback", {"id": NOBODY, "actual": "no such class"}).json()
    assert repr(known) in answer["errors"][0]["message"]


def test_without_a_model_no_class_can_be_checked(serve, settings, registry):
    registry.current = None
    with serve(settings, registry) as client:
        assert client.post("/feedback", {"id": NOBODY, "actual": "x"}).status == 503

{% endif %}
def test_the_newest_ids_are_remembered():
    recent = RecentIds(3)
    recent.add("abcd")
    assert recent.count("abcd") == 3
    assert recent.count("a") == 0
