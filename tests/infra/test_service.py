import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest

from mlops_platform.errors import PlatformError
from mlops_platform.supervision import lock, marks, ports, record, service


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(psutil.NoSuchProcess):
        while marks.is_live(psutil.Process(pid)):
            time.sleep(0.02)


def wait_for_marked(home, count):
    """A child is found once it has become its program."""
    deadline = time.monotonic() + 60
    while len(marks.find(home)) != count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def tiny(make_service, home):
    """A running process."""
    wanted = make_service()
    started = service.ensure(wanted, {})
    yield wanted, started
    service.remove(home, "tiny")


def answers(port):
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def test_a_started_process_answers_and_is_detached_and_marked(tiny, home):
    wanted, started = tiny
    process = psutil.Process(started.pid)
    assert answers(started.ports["http"])
    assert os.getsid(started.pid) == started.pid
    assert process.cwd() == str(home / "tiny")
    assert marks.find(home, "tiny") == [process]
    assert "hello" in wanted.log.read_text()
    assert service.running(home, "tiny") == started
    assert (home / "tiny").stat().st_mode & 0o077 == 0


def test_only_a_few_of_the_callers_variables_are_passed_on(make_service, home, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "hush")
    monkeypatch.setenv("AWS_PROFILE", "work")
    wanted = make_service("variables", environment={"GIVEN": "1"})
    service.ensure(wanted, {})
    log = wanted.log.read_text()
    service.remove(home, "tiny")
    assert "GIVEN" in log
    assert "PATH" in log
    assert "PULUMI" not in log
    assert "AWS" not in log


def test_the_same_process_is_kept(tiny):
    wanted, started = tiny
    assert service.ensure(wanted, {}) == started


def test_a_process_left_by_a_crash_is_adopted_without_its_caller_knowing_anything_of_it(tiny, home):
    # As after a kill -9 of the engine: process and record are there, the state is not.
    wanted, started = tiny
    assert service.ensure(dataclasses.replace(wanted), {}).pid == started.pid
    assert len(marks.find(home)) == 1


def test_a_process_that_was_started_but_not_recorded_is_replaced(tiny, home):
    wanted, started = tiny
    (home / "tiny" / record.FILE_NAME).unlink()
    again = service.ensure(wanted, {})
    assert again.pid != started.pid
    assert [process.pid for process in marks.find(home)] == [again.pid]


@pytest.mark.parametrize("change", [{"environment": {"KEY": "new"}}, {"version": "2"}])
def test_another_environment_or_version_means_a_restart_on_the_same_port(tiny, make_service, home, change):
    _, started = tiny
    again = service.ensure(make_service(**change), {})
    assert again.pid != started.pid
    assert again.ports == started.ports
    assert [process.pid for process in marks.find(home)] == [again.pid]


def test_a_killed_process_is_started_again_on_the_same_port_beside_its_files(tiny, home):
    wanted, started = tiny
    (home / "tiny" / "data").write_text("precious")
    kill(started.pid)
    assert service.running(home, "tiny") is None
    again = service.ensure(wanted, {})
    assert again.ports == started.ports
    assert (home / "tiny" / "data").read_text() == "precious"


def test_a_restart_takes_another_port_when_its_own_was_taken(tiny):
    wanted, started = tiny
    kill(started.pid)
    with socket.create_server(("127.0.0.1", started.ports["http"]), reuse_port=False):
        again = service.ensure(wanted, {})
    assert again.ports != started.ports
    assert answers(again.ports["http"])


def test_a_number_that_another_program_has_got_is_neither_taken_for_ours_nor_killed(tiny, home):
    wanted, started = tiny
    kill(started.pid)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            created = psutil.Process(stranger.pid).create_time()
            # Even with the very start time that was recorded: it hasn't the mark.
            record.save(wanted.folder, dataclasses.replace(started, pid=stranger.pid, create_time=created))
            assert service.running(home, "tiny") is None
            service.remove(home, "tiny")
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_process_of_ours_with_another_start_time_is_not_the_recorded_one(tiny, home):
    wanted, started = tiny
    record.save(wanted.folder, dataclasses.replace(started, create_time=started.create_time - 60))
    assert service.running(home, "tiny") is None
    again = service.ensure(wanted, {})
    assert [process.pid for process in marks.find(home)] == [again.pid]


def test_a_process_that_ends_at_once_is_an_error_with_its_last_words(make_service, home):
    with pytest.raises(
        PlatformError, match=r"tiny ended before it was ready.*\n.*hello\n.*no bread in the house"
    ) as caught:
        service.ensure(make_service("fail"), {})
    assert str(home / "tiny" / "tiny.log") in str(caught.value)
    assert not marks.find(home)


def test_only_the_last_run_of_the_log_is_shown(make_service, home):
    wanted = make_service("fail")
    for _ in range(2):
        with pytest.raises(PlatformError) as caught:
            service.ensure(wanted, {})
    assert str(caught.value).count("no bread") == 1
    assert wanted.log.read_text().count("no bread") == 2


@pytest.mark.parametrize("mode", ["deaf", "vague"])
def test_a_process_that_never_answers_as_it_should_is_stopped(make_service, home, mode):
    started = time.monotonic()
    with pytest.raises(PlatformError, match="was not ready after 1 s; it was stopped"):
        service.ensure(make_service(mode, seconds=1.0), {})
    assert time.monotonic() - started < 60
    assert not marks.find(home)


def test_a_program_that_is_not_there_is_an_error(make_service):
    wanted = dataclasses.replace(make_service(), command=("/nowhere/program",))
    with pytest.raises(PlatformError, match=r"/nowhere/program can't be started.*\nWhat to do: "):
        service.ensure(wanted, {})


def test_a_busy_port_leaves_the_running_process_alone(tiny, make_service, home):
    _, started = tiny
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PlatformError, match=f"port {port} on 127.0.0.1 is in use, by process {os.getpid()}"):
            service.ensure(make_service(port=port), {})
    assert service.running(home, "tiny") == started


def test_a_requested_port_is_taken(make_service, home):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert service.ensure(make_service(port=port), {}).ports == {"http": port}
    service.remove(home, "tiny")


def test_a_port_that_somebody_takes_before_the_process_does_costs_another_try(make_service, home, monkeypatch):
    assign = ports.assign
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = {"http": server.getsockname()[1]}
        found = iter([taken])
        monkeypatch.setattr(ports, "assign", lambda *arguments: next(found, None) or assign(*arguments))
        started = service.ensure(make_service(), {})
    assert started.ports != taken
    assert answers(started.ports["http"])
    service.remove(home, "tiny")


def test_remove_stops_children_too_and_leaves_no_file(make_service, home, tmp_path):
    socket_file = tmp_path / "left.sock"
    wanted = make_service("children", residue=[str(tmp_path / "left.sock")])
    service.ensure(wanted, {})
    socket_file.touch()
    wait_for_marked(home, 2)
    service.remove(home, "tiny", wanted.residue)
    assert not marks.find(home)
    assert list(home.iterdir()) == []
    assert not socket_file.exists()


def test_remove_stops_children_of_a_dead_process(make_service, home):
    started = service.ensure(make_service("children"), {})
    wait_for_marked(home, 2)
    kill(started.pid)
    assert len(marks.find(home)) == 1
    service.remove(home, "tiny")
    assert not marks.find(home)


def test_remove_of_what_is_gone_works(home):
    service.remove(home, "tiny")
    assert not home.exists()


def test_a_process_that_ignores_sigterm_is_killed(make_service, home):
    service.ensure(make_service("stubborn"), {})
    marks.stop(home, "tiny", grace=0.3)
    assert not marks.find(home)


def test_another_environments_processes_are_not_touched(tiny, home, tmp_path):
    _, started = tiny
    marks.stop(tmp_path / "other")
    marks.stop(home, "another")
    assert service.running(home, "tiny") == started


def test_whoever_carries_the_mark_and_asks_is_not_stopped(home):
    # A notebook started from within an environment's process inherits its mark, and may run `down`.
    code = (
        f"import sys; sys.path.insert(0, {os.path.dirname(os.path.dirname(os.path.dirname(marks.__file__)))!r})\n"
        "from pathlib import Path; from mlops_platform.supervision import marks\n"
        f"marks.stop(Path({str(home)!r})); print('alive')"
    )
    environment = {**os.environ, **marks.variables(home, "tiny")}
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, env=environment, text=True, timeout=30) == "alive\n"


def test_two_at_once_start_one_process(make_service, home):
    wanted, started = make_service(), []
    threads = [threading.Thread(target=lambda: started.append(service.ensure(wanted, {}))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({run.pid for run in started}) == 1
    assert len(marks.find(home)) == 1
    service.remove(home, "tiny")


def test_a_held_folder_is_waited_for_and_then_named(tmp_path):
    again = lock.exclusive(tmp_path / "held", seconds=0.2)
    busy = pytest.raises(PlatformError, match=r"Another process has been at work in .*held for 0 s")
    with lock.exclusive(tmp_path / "held"), busy, again:
        pass


def test_a_record_that_cant_be_read_counts_as_none(tmp_path):
    for content in ("", "{", "[]", '{"pid": 1}'):
        (tmp_path / record.FILE_NAME).write_text(content)
        assert record.load(tmp_path) is None
