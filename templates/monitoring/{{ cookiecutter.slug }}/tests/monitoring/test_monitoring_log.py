"""Reading a log that others write to."""

from __future__ import annotations

import dataclasses
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from {{ cookiecutter.package }}.errors import ConfigError
from {{ cookiecutter.package }}.monitoring import log
from {{ cookiecutter.package }}.monitoring.check import Checker
from {{ cookiecutter.package }}.schema import FEATURES


def read_from(address, version, window):
    opened = log.open_log(address)
    return log.read(opened, opened.files(log.PREDICTIONS), opened.files(log.FEEDBACK), version, window)


@pytest.fixture
def read(options):
    return lambda version, window: read_from(options.log, version, window)


def test_a_log_that_is_not_there_is_empty(read):
    found = read("1", 10)
    assert (len(found.features), len(found.answers), len(found.labels), found.broken) == (0, 0, 0, 0)


def test_the_newest_predictions_are_read_and_the_versions_own_answers(rows, read, write_log):
    old = write_log(rows, 10, name="predictions-z.jsonl")
    new = write_log(rows, 10, name="predictions-a.jsonl")
    write_log(rows, 10, name="predictions-b.jsonl", version="2")
    write_log(rows, 10, name="something-else.jsonl")
    os.utime(old, (1, 1))
    os.utime(new, (2, 2))
    found = read("1", 15)
    assert len(found.features) == 15
    assert list(found.answers.index) == list(range(10, 15))
    assert list(found.features.columns) == list(FEATURES)
    assert list(read("2", 15).answers.index) == list(range(10))
    new.unlink()
    assert len(read("1", 30).features) == 20
    assert list(read("1", 30).answers.index) == list(range(10, 20))


def test_lines_that_are_no_predictions_are_counted_and_left_out(rows, read, write_log):
    path = write_log(rows, 3)
    whole = path.read_text(encoding="utf-8")
    other_columns = '{"id": "a", "model_version": "1", "features": {}, "prediction": 1, "probability": 1}'
    broken = ["", "null", "[]", '{"features": 1}', "[" * 100_000, "\x00", other_columns, whole[:50]]
    path.write_text(whole + "\n".join(broken), encoding="utf-8")
    found = read("1", 100)
    assert (len(found.features), found.broken) == (3, len(broken))


def test_what_a_label_belongs_to_is_not_searched_for_without_an_end(
    rows, read, write_log, write_feedback, monkeypatch
):
    monkeypatch.setattr(log, "LINES_PER_ROW", 2)
    os.utime(write_log(rows, 5, name="predictions-old.jsonl"), (1, 1))
    write_feedback(lambda line: line["id"])
    write_log(rows, 50, name="predictions-new.jsonl", version="2")
    assert len(read("1", 10).labels) == 0
    assert len(read("1", 26).labels) == 2


def test_labels_find_their_predictions_and_the_newest_counts(rows, read, write_log, write_feedback):
    write_log(rows, 10)
    os.utime(write_feedback(lambda _: "first", name="feedback-b.jsonl"), (1, 1))
    path = write_feedback(lambda line: line["id"], name="feedback-a.jsonl")
    with path.open("a", encoding="utf-8") as file:
        for line in ("null", "{", '{"id": 1, "actual": 1}', '{"id": "unknown", "actual": 1}'):
            file.write(f"{line}\n")
        file.write('{"id": "1-3", "actual": {}}\n')
    found = read("1", 100)
    assert list(found.labels) == [f"1-{number}" for number in reversed(range(10))]
    assert found.labelled.equals(found.features)
    # Of a window of two the newest two labels are taken, and one of those is of no known prediction.
    assert list(read("1", 2).labels) == ["1-9"]
    assert (len(read("2", 100).labels), read("2", 100).other_labels) == (0, 10)


class Store:
    """An object store's answers, a page for each object; it remembers what was listed and what was read."""

    def __init__(self, objects):
        self.objects = objects
        self.listings = 0
        self.listed = []
        self.read = []

    class exceptions:  # noqa: N801, boto3's name
        NoSuchKey = KeyError

    def get_paginator(self, _):
        return self

    def paginate(self, *, Bucket, Prefix, StartAfter):  # noqa: N803, boto3's names
        assert Bucket == "bucket"
        self.listings += 1
        for number, (key, content) in enumerate(sorted(self.objects.items())):
            if key.startswith(Prefix) and key > StartAfter:
                self.listed.append(key)
                written = log.pd.Timestamp(number, unit="s")
                yield {"Contents": [{"Key": key, "Size": len(content), "LastModified": written}]}
        yield {}

    def get_object(self, *, Bucket, Key):  # noqa: N803
        from io import BytesIO

        self.read.append(Key)
        return {"Body": BytesIO(self.objects[Key])}


def test_a_log_in_an_object_store_reads_the_same(rows, read, options, write_log, write_feedback, monkeypatch):
    write_log(rows, 20)
    write_feedback(lambda line: line["id"])
    files = {f"logs/team/{path.name}": path.read_bytes() for path in Path(options.log).iterdir()}
    store = Store({**files, "logs/team/predictions-a.txt": b"x", "logs/other/predictions-b.jsonl": b"x"})
    monkeypatch.setattr("boto3.session.Session.client", lambda *_, **__: store)
    there, here = read_from("s3://bucket/logs/team/", "1", 15), read("1", 15)
    assert there.features.equals(here.features)
    assert list(there.labels) == list(here.labels)
    assert there.broken == 0
    gone = log.Bucket("s3://bucket/logs/team").content(log.Part("predictions-gone.jsonl", 1, 1.0))
    assert gone == b""


def daily(days, kind, content):
    """A file of the log for each of so many days, today's first."""
    now = datetime.now(UTC)
    names = [f"{kind}-{now - timedelta(days=ago):%Y%m%dT%H%M%S.%f}Z-7-000001.jsonl" for ago in range(days)]
    return [(f"logs/{name}", content) for name in names]


def test_only_as_many_days_are_listed_as_are_needed(rows, write_log, monkeypatch):
    """However old the log is."""
    files = daily(100, "predictions", write_log(rows, 1).read_bytes())
    store = Store(dict(files))
    monkeypatch.setattr("boto3.session.Session.client", lambda *_, **__: store)
    assert len(read_from("s3://bucket/logs", "1", 2).features) == 2
    names = [key for key, _ in files]
    assert sorted(store.listed, reverse=True) == store.read == names[:2]
    store.listed.clear()
    store.read.clear()
    assert len(read_from("s3://bucket/logs", "1", 4).features) == 4
    assert store.read == names[:4]
    # A listing shows one object more than it wants: the first beyond its end.
    assert set(store.listed) == set(names[:5])
    assert len(read_from("s3://bucket/logs", "1", 1000).features) == 100


def test_a_check_lists_each_kind_once_and_reads_what_is_new(registry, options, rows, write_log, monkeypatch):
    content = write_log(rows, 100).read_bytes()
    store = Store(dict(daily(3, "predictions", content) + daily(3, "feedback", b"")))
    monkeypatch.setattr("boto3.session.Session.client", lambda *_, **__: store)
    checker = Checker(registry, dataclasses.replace(options, log="s3://bucket/logs", window=200))
    first = checker.check()
    assert first.rows["current"] == 200
    store.listings = 0
    store.read.clear()
    assert checker.check() is first
    assert (store.listings, store.read) == (2, [])
    (new,) = dict(daily(1, "predictions", content))
    store.objects[new] = content
    assert checker.check() is not first
    assert store.read == [new]
    monkeypatch.setattr(log, "KEPT_BYTES", len(content))
    kept = log.Bucket("s3://bucket/logs")
    for part in kept.files(log.PREDICTIONS).recent * 2:
        assert kept.content(part) == content
    assert len(kept._kept) == 1


def test_an_address_without_a_bucket_is_refused():
    with pytest.raises(ConfigError, match="names no bucket"):
        log.open_log("s3:///prefix")
