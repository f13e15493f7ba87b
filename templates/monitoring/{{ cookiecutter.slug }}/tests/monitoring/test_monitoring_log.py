"""Reading a log that others write to."""

from __future__ import annotations

import os

from {{ cookiecutter.package }}.monitoring import log
from {{ cookiecutter.package }}.schema import FEATURES


def test_a_log_that_is_not_there_is_empty(tmp_path):
    read = log.read(tmp_path / "nothing", "1", 10)
    assert (len(read.features), len(read.predictions), read.broken) == (0, 0, 0)


def test_the_newest_predictions_of_the_version_are_read(rows, options, write_log):
    old = write_log(rows, 10, name="z.jsonl")
    new = write_log(rows, 10, name="a.jsonl")
    write_log(rows, 10, name="b.jsonl", version="2")
    os.utime(old, (1, 1))
    os.utime(new, (2, 2))
    read = log.read(options.prediction_log, "1", 15)
    assert len(read.features) == len(read.predictions) == 15
    assert list(read.features.columns) == list(FEATURES)
    assert len(log.read(options.prediction_log, "2", 15).features) == 10
    new.unlink()
    assert len(log.read(options.prediction_log, "1", 15).features) == 10


def test_lines_that_are_no_predictions_are_counted_and_left_out(rows, options, write_log):
    path = write_log(rows, 3)
    whole = path.read_text(encoding="utf-8")
    other_columns = '{"model_version": "1", "features": {}, "prediction": 1, "probability": 1}'
    broken = ["", "null", "[]", '{"features": 1}', "[" * 100_000, "\x00", other_columns, whole[:50]]
    path.write_text(whole + "\n".join(broken), encoding="utf-8")
    read = log.read(options.prediction_log, "1", 100)
    assert (len(read.features), read.broken) == (3, len(broken))


def test_an_old_version_is_not_searched_for_without_an_end(rows, options, write_log, monkeypatch):
    monkeypatch.setattr(log, "LINES_PER_ROW", 2)
    os.utime(write_log(rows, 5, name="old.jsonl"), (1, 1))
    write_log(rows, 50, name="new.jsonl", version="2")
    assert len(log.read(options.prediction_log, "1", 10).features) == 0
    assert len(log.read(options.prediction_log, "1", 26).features) == 2
