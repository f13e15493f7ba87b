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
        deadline = time.monotonic() + 20
        while not log.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return process, log

    return make


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_the_engine_to_finish_and_waits_for_it(child, number):
    process, log = child(1)
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert log.read_text() == "started\nsignal 1\n"
    assert "waiting for what has begun" in out
    assert out.endswith("interrupted\n")


def test_the_second_signal_is_passed_on_too(child):
    process, log = child(2)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None, "must wait for the engine after one signal"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert log.read_text() == "started\nsignal 1\nsignal 2\n"
    assert "Stopping at once" in out


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
