"""Pulumi's CLI as a child that is told to stop properly.

The Automation API leaves signals alone: Ctrl-C would end seedbed while the engine goes on, or kill it in the middle of
an operation. Here the child has a session of its own; the first Ctrl-C or SIGTERM asks it to finish what it has begun,
the second to stop at once, and in both cases seedbed stays until the child has written its state.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import IO

from pulumi.automation import CommandResult, OnOutput, PulumiCommand
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from seedbed.environments.state import Runs
from seedbed.toolchain import PulumiCli

_POLITE_STOPS = 2


class StoppedError(Exception):
    """The command was told to stop by `Engine.stop`, and has ended."""


class Engine(PulumiCommand):
    """A `PulumiCommand` on a given CLI, with graceful interruption.

    Args:
        cli: the program.
        say: told what an interruption does.
        runs: notes each run that is not over, where others share the state and its locks.
    """

    def __init__(self, cli: PulumiCli, say: Callable[[str], None], runs: Runs | None = None) -> None:
        # The base class would run `pulumi version` a second time; the toolchain has done so.
        self.command = str(cli.path)
        self.version = VersionInfo.parse(cli.version)
        self._say = say
        self._runs = runs
        self._running: list[subprocess.Popen[str]] = []
        self._stops = 0

    def stop(self) -> None:
        """Tell the running command, from another thread, to end as one Ctrl-C does; twice: at once; thrice: kill it."""
        self._stops += 1
        for process in list(self._running):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT if self._stops <= _POLITE_STOPS else signal.SIGKILL)

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput | None = None,
        on_error: OnOutput | None = None,
    ) -> CommandResult:
        """Run one Pulumi command to its end.

        Raises:
            KeyboardInterrupt: the command was interrupted, and has ended.
            StoppedError: `stop` ended it.
            pulumi.automation.errors.CommandError: it failed.
        """
        environment = {**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        started = self._running = []
        self._stops = 0
        # The handlers come first: a child started while SIGINT is ignored, as under nohup, would ignore it for good.
        with self._forwarding_signals(started) as interruptions, subprocess.Popen(
            [self.command, "--non-interactive", *args],
            cwd=cwd, env=environment, encoding="utf-8", errors="replace", start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            started.append(process)
            if self._runs:
                self._runs.begin(process.pid)
            if interruptions and not any(interruptions):  # by a signal that came while the child was being started
                process.send_signal(signal.SIGINT)
            texts: dict[str, list[str]] = {"stdout": [], "stderr": []}
            readers = [
                threading.Thread(target=_collect, args=(process.stdout, texts["stdout"], on_output)),
                threading.Thread(target=_collect, args=(process.stderr, texts["stderr"], on_error)),
            ]
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join()
            code = process.wait()
            if self._runs and not code:
                self._runs.end(process.pid)
        self._running = []
        if interruptions:
            raise KeyboardInterrupt
        if self._stops:
            raise StoppedError
        result = CommandResult("\n".join(texts["stdout"]), "\n".join(texts["stderr"]), code)
        if code:
            raise create_command_error(result)
        return result

    @contextlib.contextmanager
    def _forwarding_signals(self, started: list[subprocess.Popen[str]]) -> Iterator[list[bool]]:
        """Pass signals on to what has been started; gives for each whether there was something to pass it on to."""
        seen: list[bool] = []

        def forward(_number: int, _frame: FrameType | None) -> None:
            seen.append(bool(started))
            self._say(
                "Stopping: waiting for what has begun to finish (once more: stop at once)"
                if len(seen) == 1
                else "Stopping at once"
            )
            for process in started:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGINT)

        if threading.current_thread() is not threading.main_thread():
            yield seen
            return
        previous = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield seen
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def _collect(stream: IO[str], lines: list[str], callback: OnOutput | None) -> None:
    for line in stream:
        text = line.rstrip()
        lines.append(text)
        if callback:
            callback(text)
