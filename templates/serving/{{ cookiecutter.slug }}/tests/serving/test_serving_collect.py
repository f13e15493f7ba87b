"""Predictions and the labels that arrived for them become training data."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from {{ cookiecutter.package }} import data, intake, remote
from {{ cookiecutter.package }}.errors import DataError
from {{ cookiecutter.package }}.schema import COLUMNS, FEATURES, TARGET
from {{ cookiecutter.package }}.serving.collect import collect

LONG_AGO = datetime.now(UTC) - timedelta(days=3650)


@pytest.fixture
def tracked(raw, monkeypatch):
    """Data that is recorded; that DVC records it truly is for test_intake.py to see."""
    calls = []

    def record(*arguments):
        calls.extend(arguments[:1])
        intake.RECORD.write_text(json.dumps({"outs": [{"md5": data.version(raw)}]}))

    record()
    monkeypatch.setattr(remote, "dvc", record)
    return calls


def write(name, lines):
    folder = Path("logs")
    folder.mkdir(exist_ok=True)
    text = "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
    (folder / name).write_text(text, encoding="utf-8")


@pytest.fixture
def logged(records, rows):
    """A log of predictions with labels: of all but the last, one of them twice, one for nobody."""
    time = "2026-01-{:02d}T12:00:00.000+00:00".format
    truths = rows[TARGET].head(len(records)).tolist()
    write(
        "predictions-20260101T000000.000000Z-1-000001.jsonl",
        [
            {"id": f"{n:032x}", "time": time(n + 1), "model_version": "1", "features": features}
            for n, features in enumerate(records)
        ],
    )
    labels = [{"id": f"{n:032x}", "time": time(25), "actual": truth} for n, truth in enumerate(truths[:-1])]
    corrected = labels[0] | {"actual": next(truth for truth in rows[TARGET].tolist() if truth != truths[0])}
    write(
        "feedback-20260120T000000.000000Z-1-000001.jsonl",
        [corrected | {"time": time(20)}, *labels, labels[0] | {"id": "f" * 32}, '{"id": "00'],
    )
    return truths[:-1]


def test_labelled_predictions_become_rows_once(tracked, logged, records):
    found = collect("logs", LONG_AGO)
    assert (found.rows, found.before, found.lost) == (len(logged), 0, 1)
    assert tracked == ["add"]
    read = data.read_file(found.file)
    assert read[TARGET].tolist() == logged
    sent = data.features(pd.DataFrame(records[:-1], columns=list(FEATURES)))
    pd.testing.assert_frame_equal(read[list(FEATURES)], sent, check_dtype=False)
    assert "data version" in str(found)
    again = collect("logs", LONG_AGO)
    assert (again.rows, again.file, again.before) == (0, None, len(logged))
    assert tracked == ["add"]


def test_predictions_that_fit_no_more_and_files_that_are_too_old_are_left_out(tracked, logged, records):
    # Labels, however late they came, of predictions that nobody wants any more.
    for path in Path("logs").glob("predictions-*"):
        os.utime(path, (0, datetime(2026, 1, 9, tzinfo=UTC).timestamp()))
    assert collect("logs", datetime(2026, 1, 10, tzinfo=UTC)).rows == 0
    other = {"id": "a" * 32, "time": "2026-01-01", "features": {"gone": 1}}
    write("predictions-20260102T000000.000000Z-1-000001.jsonl", [other, "[]\n", "null\n"])
    label = {"id": "a" * 32, "time": "2026-01-02", "actual": logged[0]}
    write("feedback-20260121T000000.000000Z-1-000001.jsonl", [label, "7\n"])
    assert collect("logs", LONG_AGO).lost == 2


def test_a_file_that_was_begun_long_ago_and_still_grows_is_read(tracked, logged):
    assert collect("logs", datetime.now(UTC) - timedelta(days=1)).rows == len(logged)


@pytest.mark.skipif(not any(column.kind == "category" for column in COLUMNS), reason="no column holds text")
@pytest.mark.parametrize("text", ["NA", "", "null", "a,b\n\"c'"])
def test_texts_stay_what_they_were(tracked, logged, records, text):
    name = next(column.name for column in COLUMNS if column.kind == "category")
    odd = {"id": "b" * 32, "time": "2026-01-01T00:00:00+00:00", "features": {**records[0], name: text}}
    write("predictions-20260103T000000.000000Z-1-000001.jsonl", [odd])
    label = {"id": "b" * 32, "time": "2026-01-02", "actual": logged[0]}
    write("feedback-20260121T000000.000000Z-1-000001.jsonl", [label])
    assert text in data.read_file(collect("logs", LONG_AGO).file)[name].tolist()


def test_without_a_log_it_says_so(tracked):
    with pytest.raises(DataError, match="nothing was logged yet"):
        collect("nowhere", LONG_AGO)
