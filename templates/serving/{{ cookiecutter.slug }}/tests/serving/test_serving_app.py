"""The HTTP contract: what a client of the service sees, whichever web framework stands behind it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from {{ cookiecutter.package }} import model
from {{ cookiecutter.package }}.schema import COLUMNS, FEATURES, Feature

WRONG = {"number": "12", "integer": 1.5, "boolean": 1, "category": 7, "date": "tomorrow"}
LOG = '{log="predictions"}'


def test_without_a_model_it_runs_and_says_what_to_do(serve, settings, registry, records, wait_until):
    registry.current = None
    with serve(settings, registry) as client:
        wait_until(lambda: "champion" in client.get("/readyz").json()["status"])
        answer = client.post("/predict", records[0])
        assert answer.status == 503
        assert "make train" in answer.json()["detail"]
        assert client.get("/readyz").status == 503
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/").json()["model"] is None
        assert "serving_model_loaded 0.0" in client.get("/metrics").text


def test_a_record_gets_the_models_answer(steady, records, models):
    answer = steady.post("/predict", records[0])
    assert answer.status == 200, answer.text
    expected = model.predict(model.load(models["1"][0]), pd.DataFrame(records[:1], columns=list(FEATURES)))
    body = answer.json()
    assert body["model_version"] == "1"
    (prediction,) = body["predictions"]
    assert len(prediction.pop("id")) == 32
    assert list(prediction) == list(expected.columns)
    for name, value in prediction.items():
        assert value == expected[name].iloc[0] or np.isclose(value, expected[name].iloc[0])


def test_a_batch_is_answered_in_order(steady, records):
    together = steady.post("/predict", {"records": records}).json()["predictions"]
    alone = [steady.post("/predict", record).json()["predictions"][0] for record in records]
    assert len({prediction.pop("id") for prediction in together + alone}) == 2 * len(records)
    for one, other in zip(together, alone, strict=True):
        assert one == pytest.approx(other)


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_each_column_is_checked(steady, records, column: Feature):
    def ask(value: Any) -> tuple[int, dict[str, Any]]:
        answer = steady.post("/predict", {"records": [records[0], {**records[0], column.name: value}]})
        return answer.status, answer.json()

    status, body = ask(WRONG[column.kind])
    assert status == 422
    # Pydantic adds the branch of a union to the place.
    assert body["errors"][0]["where"].startswith(f"records.1.{column.name}")
    assert ask(None)[0] == (200 if column.nullable else 422)
    assert ask([records[0][column.name]])[0] == 422
    lacking = {name: value for name, value in records[0].items() if name != column.name}
    assert steady.post("/predict", lacking).json()["errors"] == [
        {"where": column.name, "message": "Field required"}
    ]


def test_an_unknown_column_is_refused(steady, records):
    answer = steady.post("/predict", {**records[0], "no such column": 1})
    assert answer.status == 422
    assert [error["where"] for error in answer.json()["errors"]] == ["no such column"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400])
@pytest.mark.parametrize("column", [column for column in COLUMNS if column.kind in {"number", "integer"}][:2])
def test_what_is_not_a_finite_number_is_refused(steady, records, column: Feature, number: str):
    body = json.dumps({**records[0], column.name: "HERE"}).replace('"HERE"', number).encode()
    assert steady.post("/predict", body).status == 422


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"null", 422),
        (b"[]", 422),
        (b'"text"', 422),
        (b'{"records": []}', 422),
        (b'{"records": [1]}', 422),
        (b"\xff\xfe{}", 400),
        (b'{"a": "\\ud800"}', 400),
        (b"[" * 150, 400),
        (b"[" * 50_000, 413),
        (b"[" + b"[]," * 30_000 + b"[]]", 413),
        (b'{"records":' * 9_000, 400),
        (b"[" + b"0," * 40_000 + b"0]", 413),
        (b'["' + b'\\",' * 30_000 + b'"]', 422),
        (b'{"records": ' + b"[" * 150 + b"]" * 150 + b"}", 422),
    ],
)
def test_a_body_that_makes_no_sense_is_refused(steady, body: bytes, status: int):
    answer = steady.post("/predict", body)
    assert answer.status == status
    assert answer.json()["detail"]
    assert len(answer.content) < 5_000


@pytest.mark.parametrize("form", ["record", "batch"])
def test_a_record_of_endless_columns_is_refused_in_a_word(steady, records, form):
    wide = records[0] | dict.fromkeys(map(str, range(10_000)), 1)
    answer = steady.post("/predict", {"records": [records[0], wide]} if form == "batch" else wide)
    assert answer.status == 422
    assert f"the model takes {len(FEATURES)}" in answer.json()["detail"]
    assert len(answer.content) < 200


def test_too_many_records_are_refused(steady, records):
    answer = steady.post("/predict", {"records": [records[0]] * 21})
    assert answer.status == 413
    assert "20" in answer.json()["detail"]


def test_other_requests_get_a_plain_answer_in_json(steady, records):
    assert steady.post_untyped("/predict", json.dumps(records[0]).encode()).status == 415
    assert steady.get("/predict").status == 405
    assert steady.ask("OPTIONS", "/predict").status == 405
    assert steady.ask("POST", "/healthz").status == 405
    assert steady.get("/nothing").json() == {"detail": "Not Found"}
    assert steady.get("/predict/").status == steady.get("/healthz/").status == 404
    assert steady.get("/predict").headers["Allow"]
    assert steady.get("/metrics").headers["Content-Type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/"])
def test_a_head_is_a_get_without_its_body(steady, path):
    answer = steady.ask("HEAD", path)
    assert (answer.status, answer.content) == (200, b"")
    assert answer.headers["Content-Type"] == steady.get(path).headers["Content-Type"]


def test_a_failure_inside_is_a_plain_500(client, records, monkeypatch, wait_until):
    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(model, "predict", fail)
    answer = client.post("/predict", records[0])
    assert answer.status == 500
    assert "secret" not in answer.text
    wait_until(lambda: 'route="/predict",status="500"} 1.0' in client.get("/metrics").text)


@pytest.mark.skipif(not any(column.kind == "category" for column in COLUMNS), reason="no column holds text")
def test_brackets_within_texts_are_not_structure(steady, records):
    text = next(column.name for column in COLUMNS if column.kind == "category")
    # More such signs than a request may have elements, were they any.
    batch = {"records": [{**records[0], text: "[{," * 330 + '\\"' + "["}] * 40}
    assert "40 records" in steady.post("/predict", batch).json()["detail"]


def test_predictions_are_logged_with_what_they_were_made_from(
    serve, settings, registry, records, wait_until, log_lines
):
    with serve(settings, registry) as client:
        wait_until(lambda: client.get("/readyz").status == 200)
        answers = client.post("/predict", {"records": records}).json()["predictions"]
    lines = log_lines("predictions")
    assert [line["id"] for line in lines] == [answer["id"] for answer in answers]
    assert [line["features"] for line in lines] == records
    assert [line["prediction"] for line in lines] == [answer["prediction"] for answer in answers]
    assert [line["probability"] for line in lines] == [answer.get("probability") for answer in answers]
    assert {line["model_version"] for line in lines} == {"1"}
    assert all(pd.Timestamp(line["time"]).utcoffset() == pd.Timedelta(0) for line in lines)
    assert list(lines[0]) == ["id", "time", "model_version", "features", "prediction", "probability"]


def test_a_restart_keeps_the_log(serve, settings, registry, records, wait_until, log_lines):
    for expected in (1, 2):
        with serve(settings, registry) as client:
            wait_until(lambda: client.get("/readyz").status == 200)
            client.post("/predict", records[0])
        assert len(log_lines("predictions")) == expected


def test_metrics_count_what_happened(client, records, wait_until):
    client.post("/predict", {"records": records})
    client.post("/feedback", {})
    for number in range(5):
        client.get(f"/invented/{number}")
    counted = [
        'serving_http_requests_total{method="POST",route="/predict",status="200"} 1.0',
        'serving_http_requests_total{method="POST",route="/feedback",status="422"} 1.0',
        'serving_http_requests_total{method="GET",route="other",status="404"} 5.0',
        f"serving_log_rows_total{LOG} {float(len(records))}",
    ]
    # Who asks at once may be quicker than what is done after an answer.
    wait_until(lambda: set(counted) <= set(client.get("/metrics").text.splitlines()))
    metrics = client.get("/metrics").text
    assert 'serving_http_request_duration_seconds_count{route="/predict"} 1.0' in metrics
    # What was refused is counted, and not timed.
    assert 'serving_http_request_duration_seconds_count{route="/feedback"}' not in metrics
    assert 'serving_model_info{model="model",version="1"} 1.0' in metrics
    assert "serving_model_loaded 1.0" in metrics
    assert f"serving_log_dropped_total{LOG} 0.0" in metrics
    counted = [line for line in metrics.splitlines() if line.startswith("serving_predictions_total")]
    assert sum(float(line.split()[-1]) for line in counted) == len(records)
