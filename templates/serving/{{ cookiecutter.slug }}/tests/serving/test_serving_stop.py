"""How the service ends."""

from __future__ import annotations

import os
import re
{%- if cookiecutter.tracking %}
import shutil
{%- endif %}
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from {{ cookiecutter.package }} import model
from {{ cookiecutter.package }}.serving.service import THREADS

from .wire import ask, get, headers, read_answer


def test_sigterm_first_turns_ready_off_and_finishes_the_request_in_flight(tmp_path, wait_until{% if cookiecutter.tracking %}, tables{% endif %}):
{%- if cookiecutter.tracking %}
    shutil.copyfile(tables, tmp_path / "mlflow.db")
{%- endif %}
    command = [sys.executable, "-m", "{{ cookiecutter.package }}.serving", "--port", "0"]
    variables = os.environ | {"DRAIN_SECONDS": "5", "BODY_TIMEOUT_SECONDS": "60", "MODEL_POLL_SECONDS": "60"}
    with subprocess.Popen(command, cwd=tmp_path, env=variables, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
            assert found is not None
            address = ("127.0.0.1", int(found.group(1)))
            with socket.create_connection(address, timeout=30) as connection:
                connection.sendall(headers(Content_Length=2, Expect="100-continue"))
                assert b" 100 " in connection.recv(1000)
                process.send_signal(signal.SIGTERM)
                stopping = (503, {"status": "the service is about to stop"}, True)
                wait_until(lambda: ask_and_look(address, "/readyz") == stopping)
                assert ask_and_look(address, "/healthz") == (200, {"status": "ok"}, True)
                wait_until(lambda: refused(address))
                connection.sendall(b"{}")
                assert read_answer(connection)[0] == 422
            assert process.wait(30) == 0
        finally:
            process.kill()


def ask_and_look(address, path):
    """Return status, body and whether the connection is closed, so that the next one goes elsewhere."""
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(get(path))
        return *read_answer(connection), connection.recv(1) == b""


def refused(address):
    try:
        socket.create_connection(address, timeout=30).close()
    except ConnectionError:
        return True
    return False


# A thread of the web framework's that comes back too late finds nobody to hand its answer to.
@pytest.mark.filterwarnings("ignore:coroutine 'Queue.put' was never awaited")
def test_who_is_still_waiting_at_the_end_is_told(serve, settings, registry, records, monkeypatch, wait_until):
    opened = threading.Event()
    entered = []

    def hold(*_):
        entered.append(1)
        opened.wait(30)

    with ThreadPoolExecutor(THREADS + 2) as pool:
        try:
            bounds = {"max_queue": THREADS + 2, "stop_timeout_seconds": 1, "drain_seconds": 0}
            with serve(replace(settings, **bounds), registry) as client:
                wait_until(lambda: client.get("/readyz").status == 200)
                monkeypatch.setattr(model, "predict", hold)
                held = [pool.submit(client.post, "/predict", records[0]) for _ in range(THREADS + 2)]
                # Until all have come: then there is no room for one more.
                more = headers(Content_Length=1000, Expect="100-continue")
                wait_until(lambda: ask(client.port, more)[0] == 503)
                wait_until(lambda: len(entered) == THREADS)
            answers = [future.result() for future in held]
            assert [answer.status for answer in answers] == [503] * len(held)
            assert "send it again" in answers[0].json()["detail"]
        finally:
            opened.set()
