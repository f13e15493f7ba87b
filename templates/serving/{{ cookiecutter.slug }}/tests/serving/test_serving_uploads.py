"""Log files on their way to an object store that comes and goes."""

from __future__ import annotations

import json
import subprocess
import sys

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


def appear(folder, number):
    """Have a whole file there at once: an empty one is taken for what a dead process left."""
    made = folder / "made"
    made.write_text(json.dumps({"n": number}) + "\n")
    made.rename(folder / f"predictions-{number}.jsonl")


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
    wait_until(lambda: not list(tmp_path.iterdir()))
    log.stop()
    # Which ones had to go depends on which one was being tried; each row is sent or counted, and never both.
    assert len(store.numbers()) >= 4
    assert log.counts.dropped == 9 - len(store.numbers())


@pytest.mark.parametrize("error", [ValueError("Invalid endpoint"), PermissionError("not yours"), KeyError(1)])
def test_no_failure_ends_the_sending_and_each_is_counted(
    tmp_path, store, sending, failures, monkeypatch, wait_until, error
):
    def fail(_):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(store, "put", fail)
        appear(tmp_path, 1)
        wait_until(lambda: len(failures) > 1)
    wait_until(lambda: store.numbers() == [1])


def test_one_file_that_can_not_be_sent_holds_up_no_other(tmp_path, store, sending, failures, wait_until):
    put = store.put

    def fail_once(file):
        if file.name == "predictions-1.jsonl":
            raise PermissionError("not yours")
        put(file)

    store.put = fail_once
    for number in (1, 2):
        appear(tmp_path, number)
    wait_until(lambda: store.numbers() == [2] and failures)
    store.put = put


def test_a_file_that_somebody_took_away_is_no_failure(tmp_path, store, sending, failures, wait_until):
    def gone(file):
        file.unlink()
        raise FileNotFoundError(file)

    put, store.put = store.put, gone
    appear(tmp_path, 1)
    wait_until(lambda: not list(tmp_path.iterdir()))
    store.put = put
    appear(tmp_path, 2)
    wait_until(lambda: store.numbers() == [2])
    assert failures == []


def test_what_a_killed_process_left_is_sent_but_not_what_another_one_writes(
    tmp_path, store, sending, wait_until
):
    program = (
        "import sys, pathlib, time\n"
        "from {{ cookiecutter.package }}.serving.log import RotatingLog\n"
        "log = RotatingLog(\n"
        "    pathlib.Path(sys.argv[1]), 'predictions', file_bytes=10**6, files=2, backlog_rows=9\n"
        ")\n"
        "log.start(); log.append([{'n': 1}])\n"
        "while not log.counts.written: time.sleep(0.01)\n"
        "print('written', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "written\n"
            appear(tmp_path, 2)
            wait_until(lambda: store.numbers() == [2])
            # A log of our own, too, leaves it alone, however full the folder is.
            log = open_log(tmp_path, file_bytes=5, files=2)
            log.append([{"n": number} for number in range(3, 9)])
            log.stop()
            wait_until(lambda: len(list(tmp_path.iterdir())) == 1)
            assert 1 not in store.numbers()
        finally:
            other.kill()
    wait_until(lambda: 1 in store.numbers())


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
