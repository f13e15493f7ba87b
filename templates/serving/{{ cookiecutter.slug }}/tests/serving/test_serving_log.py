"""The logs under rotation, pressure and a failing disk or store."""

from __future__ import annotations

import json
import threading

from {{ cookiecutter.package }}.serving.log import RotatingLog


def open_log(folder, **bounds):
    given = {"file_bytes": 1_000_000, "files": 10, "backlog_rows": 1000} | bounds
    log = RotatingLog(folder, "predictions", **given)
    log.start()
    return log


def numbers(folder):
    return [
        json.loads(line)["n"]
        for file in sorted(folder.glob("*.jsonl"))
        for line in file.read_bytes().splitlines()
    ]


def test_every_row_is_on_disk_after_stop_in_order(tmp_path):
    log = open_log(tmp_path)
    for number in range(500):
        log.append([{"n": number}])
    log.stop()
    assert numbers(tmp_path) == list(range(500))
    assert (log.counts.written, log.counts.dropped, log.counts.backlog) == (500, 0, 0)


def test_files_have_a_size_and_a_number(tmp_path, wait_until):
    log = open_log(tmp_path, file_bytes=100, files=3, backlog_rows=1000)
    for number in range(100):
        log.append([{"n": number}])
    log.stop()
    files = list(tmp_path.glob("*.jsonl"))
    assert len(files) == 3
    assert all(file.stat().st_size < 120 for file in files)
    assert numbers(tmp_path)[-1] == 99


def test_two_services_may_share_a_folder(tmp_path, wait_until):
    idle = open_log(tmp_path)
    idle.append([{"n": 0}])
    wait_until(lambda: idle.counts.written == 1)
    busy = open_log(tmp_path, file_bytes=5, files=2)
    busy.append([{"n": number} for number in range(1, 9)])
    busy.stop()
    assert numbers(tmp_path) == [0, 8]
    idle.append([{"n": 9}])
    idle.stop()
    assert numbers(tmp_path) == [0, 9, 8]


def test_the_oldest_file_goes_first_whichever_service_began_earlier(tmp_path, wait_until):
    one, other = open_log(tmp_path, file_bytes=5, files=3), open_log(tmp_path, file_bytes=5, files=3)
    for number, log in enumerate((other, one) * 3):
        log.append([{"n": number}])
        wait_until(lambda: 0 == one.counts.backlog == other.counts.backlog)
    one.stop()
    other.stop()
    assert numbers(tmp_path) == [3, 4, 5]


def test_rows_that_are_deleted_before_they_are_uploaded_are_counted(tmp_path):
    log = open_log(tmp_path, file_bytes=20, files=2, file_seconds=60)
    log.append([{"n": number} for number in range(10)])
    log.stop()
    kept = numbers(tmp_path)
    assert kept == list(range(10 - len(kept), 10))
    assert (log.counts.written, log.counts.dropped) == (10, 10 - len(kept))


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    (tmp_path / "notes.jsonl").write_text("mine")
    log = open_log(tmp_path, file_bytes=20, files=2)
    log.append([{"n": number} for number in range(50)])
    log.stop()
    assert (tmp_path / "notes.jsonl").read_text() == "mine"


def test_a_half_line_of_an_earlier_process_is_not_continued(tmp_path):
    cut = tmp_path / "predictions-20200101T000000.000000Z-1-000001.jsonl"
    cut.write_text('{"n": 1}\n{"n"')
    log = open_log(tmp_path)
    log.append([{"n": 2}])
    log.stop()
    assert cut.read_text() == '{"n": 1}\n{"n"'
    assert len(list(tmp_path.glob("*.jsonl"))) == 2


def test_a_disk_that_fails_costs_rows_but_never_blocks(tmp_path, wait_until):
    folder = tmp_path / "log"
    folder.write_text("a file where the folder should be")
    log = open_log(folder)
    log.append([{"n": 1}])
    wait_until(lambda: log.counts.dropped == 1)
    folder.unlink()
    log.append([{"n": 2}])
    log.stop()
    assert numbers(folder) == [2]


def test_a_row_that_can_not_be_written_costs_itself_alone(tmp_path, wait_until):
    log = open_log(tmp_path)
    log.append([{"n": object()}])
    wait_until(lambda: log.counts.dropped == 1)
    log.append([{"n": 2}])
    log.stop()
    assert numbers(tmp_path) == [2]


def test_memory_is_bounded_while_the_disk_is_slow(tmp_path, monkeypatch, wait_until):
    gate = threading.Event()
    write = RotatingLog._write

    def slow(self, rows):
        gate.wait(10)
        return write(self, rows)

    monkeypatch.setattr(RotatingLog, "_write", slow)
    log = open_log(tmp_path, backlog_rows=10)
    for number in range(50):
        log.append([{"n": number}])
    assert (log.counts.backlog, log.counts.dropped) == (10, 40)
    gate.set()
    log.stop()
    assert numbers(tmp_path) == list(range(10))
