"""The engine wrapper against a small program in Pulumi's place: what matters here is what happens to the child."""

import os
import signal
import subprocess
import sys
import time

import pytest

# Runs one command through the wrapper and says how it ended; the program traps SIGINT as the engine does.
DRIVER = """
import sys
from pathlib import Path
from seedbed.environments.engine import Engine
from seedbed.toolchain import PulumiCli
engine = Engine(PulumiCli(Path(sys.argv[1]), "3.259.0", "PATH"), lambda text: print(text, flush=True))
try:
    result = engine.run(["up"], ".", {})
    print("finished", result.stdout, flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(130)
"""
CHILD = """#!/bin/sh
count=0
trap 'count=$((count + 1)); echo "signal $count" >> "{log}"; [ $count -ge {patience} ] && exit 255' INT
echo started >> "{log}"
while :; do sleep 0.05; done
"""


@pytest.fixture
def child(tmp_path):
    def make(patience):
        path, log = tmp_path / "pulumi", tmp_path / "log"
        path.write_text(CHILD.format(log=log, patience=patience))
        path.chmod(0o755)
        process = subprocess.Popen([sys.executable, "-c", DRIVER, str(path)], stdout=subprocess.PIPE, text=True)
        wait_for(log, "started")
        return process, log

    return make


def wait_for(log, text):
    deadline = time.monotonic() + 60
    while not (log.exists() and text in log.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_the_engine_to_finish_and_waits_for_it(child, number):
    process, log = child(1)
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert log.read_text() == "started\nsignal 1\n"
    assert "waiting for what has begun" in out
    assert out.endswith("interrupted\n")


def test_the_second_signal_is_passed_on_too(child):
    process, log = child(2)
    process.send_signal(signal.SIGINT)
    wait_for(log, "signal 1")
    assert process.poll() is None, "must wait for the engine after one signal"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert log.read_text() == "started\nsignal 1\nsignal 2\n"
    assert "Stopping at once" in out


def test_a_signal_that_was_passed_on_is_not_passed_on_again_when_the_start_is_over(tmp_path, monkeypatch):
    from seedbed.environments.engine import Engine
    from seedbed.toolchain import PulumiCli

    path, log = tmp_path / "pulumi", tmp_path / "log"
    path.write_text(CHILD.format(log=log, patience=1))
    path.chmod(0o755)
    sent, send_signal = [], subprocess.Popen.send_signal
    monkeypatch.setattr(
        subprocess.Popen, "send_signal", lambda process, number: sent.append(number) or send_signal(process, number)
    )

    class Runs:
        """Where a run is noted when it has been started: the moment that matters."""

        def begin(self, _pid):
            wait_for(log, "started")
            signal.raise_signal(signal.SIGINT)

        def end(self, _pid):
            raise AssertionError("it was interrupted")

    with pytest.raises(KeyboardInterrupt):
        Engine(PulumiCli(path, "3.259.0", "PATH"), lambda _: None, Runs()).run(["up"], ".", {})
    assert sent == [signal.SIGINT]


def test_a_failed_command_carries_its_output(tmp_path):
    from pulumi.automation.errors import CommandError

    from seedbed.environments.engine import Engine
    from seedbed.toolchain import PulumiCli

    path = tmp_path / "pulumi"
    path.write_text("#!/bin/sh\necho out; echo oops >&2; exit 3\n")
    path.chmod(0o755)
    engine = Engine(PulumiCli(path, "3.259.0", "PATH"), print)
    with pytest.raises(CommandError, match="oops"):
        engine.run(["up"], str(tmp_path), dict(os.environ))
