"""Log files on their way to an object store that comes and goes."""

from __future__ import annotations

import json
import os

import pytest

from {{ cookiecutter.package }}.errors import StoreError
from {{ cookiecutter.package }}.serving import uploads
from {{ cookiecutter.package }}.serving.log import RotatingLog
from {{ cookiecutter.package }}.serving.s3_folder import S3Folder


class MemoryStore:
    """What an object store does with files, with a switch for outages."""

    def __init__(self) -> None:
        self.objects = {}
        self.down = False

    def put(self, file):
        if self.down:
            raise StoreError("away")
        self.objects[file.name] = file.read_bytes()

    def numbers(self):
        content = b"".join(self.objects[name] for name in sorted(self.objects))
        return [json.loads(line)["n"] for line in content.splitlines()]


@pytest.fixture
def store(monkeypatch):
    monkeypatch.setattr(uploads, "PAUSE_SECONDS", 0.02)
    return MemoryStore()


@pytest.fixture
def failures():
    return []


@pytest.fixture
def sending(tmp_path, store, failures):
    started = uploads.Uploads(tmp_path, store, lambda: failures.append(1))
    started.start()
    yield started
    started.stop()


def open_log(folder, **bounds):
    given = {"file_bytes": 1_000_000, "files": 10, "backlog_rows": 1000, "file_seconds": 60} | bounds
    log = RotatingLog(folder, "predictions", **given)
    log.start()
    return log


def test_a_file_is_sent_when_its_time_is_up(tmp_path, store, sending, wait_until):
    log = open_log(tmp_path, file_seconds=0.1)
    for number in range(3):
        log.append([{"n": number}])
        wait_until(lambda: len(store.objects) == number + 1)  # noqa: B023, called within this turn
    assert store.numbers() == [0, 1, 2]
    wait_until(lambda: not list(tmp_path.iterdir()))
    log.stop()


def test_what_is_left_is_sent_at_the_end(tmp_path, store, sending):
    log = open_log(tmp_path)
    log.append([{"n": number} for number in range(100)])
    log.stop()
    sending.stop()
    assert store.numbers() == list(range(100))
    assert list(tmp_path.iterdir()) == []


def test_an_outage_costs_nothing_until_the_folder_is_full(tmp_path, store, sending, failures, wait_until):
    store.down = True
    log = open_log(tmp_path, file_bytes=5, files=4)
    log.append([{"n": number} for number in range(9)])
    wait_until(lambda: log.counts.written == 9 and failures)
    assert len(list(tmp_path.iterdir())) <= 4
    store.down = False
    wait_until(lambda: store.numbers() == [5, 6, 7, 8])
    log.stop()


def test_what_a_killed_process_left_is_sent_but_not_what_another_one_writes(tmp_path, store, failures):
    dead, alive, mine = 2**22 + 1, os.getppid(), os.getpid()
    for pid in (dead, alive, mine):
        (tmp_path / f"predictions-20260101T000000.000000Z-{pid}-000001.jsonl.part").write_text('{"n": 1}\n')
    sending = uploads.Uploads(tmp_path, store, lambda: failures.append(1))
    sending.start()
    sending.stop()
    assert {int(name.split("-")[2]) for name in store.objects} == {dead, mine}
    assert [path.name.split("-")[2] for path in tmp_path.iterdir()] == [str(alive)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("s3://bucket", ("bucket", "")),
        ("s3://bucket/a/b/", ("bucket", "a/b/")),
        ("logs/predictions", None),
        ("s3://", None),
        ("s3://Bucket/a", None),
    ],
)
def test_places_in_a_store_are_told_by_their_url(text, found):
    folder = S3Folder.of(text)
    assert (folder and (folder.bucket, folder.prefix)) == found
