"""A command that doesn't end is stopped, as gently as it allows, and what it waits for is said."""

import os
import signal
import sys

import psutil
import pytest

from seedbed.environments import patience
from seedbed.environments.engine import Engine, StoppedError
from seedbed.errors import InfrastructureError
from seedbed.toolchain import PulumiCli

# In Pulumi's place: writes down each signal, ends at the one that it listens to, and says its number.
CHILD = """#!{python}
import os, signal, sys, time
from pathlib import Path
seen = []
def note(number, frame):
    seen.append(number)
    Path("signals").write_text(str(len(seen)))
    if len(seen) >= {patience}:
        sys.exit(255)
signal.signal(signal.SIGINT, note)
Path("pid").write_text(str(os.getpid()))
while True:
    time.sleep(0.05)
"""


@pytest.fixture
def engine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(patience, "_GRACE", 2.0)

    def make(listens_to):
        program = tmp_path / "pulumi"
        program.write_text(CHILD.format(python=sys.executable, patience=listens_to))
        program.chmod(0o755)
        return Engine(PulumiCli(program, "3.259.0", "PATH"), lambda _: None)

    yield make
    if (tmp_path / "pid").exists() and psutil.pid_exists(pid := int((tmp_path / "pid").read_text())):
        os.kill(pid, signal.SIGKILL)


def watched(engine, look=list, seconds=4.0):
    said = []
    with pytest.raises(patience.TimeIsUpError) as raised, patience.Watch(engine, seconds, look, said.append):
        engine.run(["destroy"], ".", {})
    assert isinstance(raised.value.__cause__, StoppedError)
    return said


@pytest.mark.parametrize(("listens_to", "signals"), [(1, "1"), (2, "2"), (99, "2")])
def test_it_is_asked_then_told_then_ended(engine, tmp_path, listens_to, signals):
    watched(engine(listens_to))
    assert (tmp_path / "signals").read_text() == signals
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text())), "it still runs"


def test_what_it_waits_for_is_said_once(engine, monkeypatch):
    monkeypatch.setattr(patience, "_FIRST_LOOK", 0.2)
    monkeypatch.setattr(patience, "_NEXT_LOOK", 0.2)
    said = watched(engine(1), lambda: ["ConfigMap n/stuck"])
    assert said == [
        "Still being deleted: ConfigMap n/stuck",
        "The time is over: stopping, what has begun is finished first",
    ]


@pytest.mark.parametrize("error", [InfrastructureError("the cluster does not answer"), KeyError("Tags")])
def test_what_it_waits_for_may_be_unknown(engine, monkeypatch, error):
    monkeypatch.setattr(patience, "_FIRST_LOOK", 0.2)

    def look():
        raise error

    assert len(watched(engine(1), look)) == 1


def test_looking_takes_from_the_same_time(engine, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(patience, "_FIRST_LOOK", 0.01)
    monkeypatch.setattr(patience, "_NEXT_LOOK", 0.01)
    monkeypatch.setattr(patience.time, "monotonic", lambda: clock[0])
    looks = []

    def look():
        looks.append(clock[0])
        clock[0] += 40.0
        return []

    watched(engine(1), look, seconds=100.0)
    assert looks == [0.0, 40.0, 80.0]


def test_a_command_that_ends_in_time_is_left_alone(tmp_path):
    program = tmp_path / "pulumi"
    program.write_text("#!/bin/sh\necho done\n")
    program.chmod(0o755)
    engine = Engine(PulumiCli(program, "3.259.0", "PATH"), lambda _: None)
    with patience.Watch(engine, 30, list, lambda _: None):
        assert engine.run(["destroy"], str(tmp_path), {}).stdout == "done"
