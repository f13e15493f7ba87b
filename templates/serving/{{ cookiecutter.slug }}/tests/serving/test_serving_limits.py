"""Clients that send too much, too slowly or something else than they said, over real connections."""

from __future__ import annotations

import contextlib
import json
import re
{%- if cookiecutter.tracking %}
import shutil
{%- endif %}
import signal
import socket
import subprocess
import sys
import time

import pytest

from {{ cookiecutter.package }}.serving.server import listen

POST = b"POST /predict HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\n"
QUICK = 0.4
"""Seconds: on a busy machine too, yet less than any time-out set for these tests."""
MEGABYTE = b" " * 1_000_000


@pytest.fixture
def port(steady) -> int:
    return steady.port


def read_answer(connection: socket.socket) -> tuple[int, dict]:
    answer = b""
    with contextlib.suppress(ConnectionError):
        while b"\r\n\r\n" not in answer or len(answer.split(b"\r\n\r\n", 1)[1]) < length(answer):
            chunk = connection.recv(65_536)
            if not chunk:
                break
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, json.loads(body) if body else {}


def length(answer: bytes) -> int:
    found = re.search(rb"content-length: (\d+)", answer.lower())
    return int(found.group(1)) if found else 0


def ask(port: int, *parts: bytes, pause: float = 0.0) -> tuple[int, dict, float]:
    """Send the parts, whatever comes back meanwhile; return status, body and the seconds it took."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        started = time.monotonic()
        with contextlib.suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
        status, body = read_answer(connection)
        return status, body, time.monotonic() - started


def headers(**fields: object) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}\r\n".encode() for name, value in fields.items()]
    return POST + b"".join(lines) + b"\r\n"


def chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


def test_a_length_beyond_the_bound_is_refused_before_the_body(port):
    status, body, seconds = ask(port, headers(Content_Length=10**12))
    assert (status, seconds < QUICK) == (413, True)
    assert "100000 bytes" in body["detail"]


def test_a_client_that_sends_it_all_the_same_still_gets_the_answer(port):
    status, body, _ = ask(port, headers(Content_Length=3_000_000), MEGABYTE, MEGABYTE, MEGABYTE)
    assert (status, "100000 bytes" in body["detail"]) == (413, True)


def test_chunks_are_counted(port):
    status, _, _ = ask(port, headers(Transfer_Encoding="chunked"), *[chunk(MEGABYTE[:60_000])] * 4)
    assert status == 413


@pytest.mark.parametrize("value", ["-1", "abc", "1, 2", "99999999999999999999999"])
def test_a_length_that_is_no_number_is_refused(port, value):
    status, _, seconds = ask(port, headers(Content_Length=value))
    assert (status in {400, 413}, seconds < QUICK) == (True, True)


def test_a_body_shorter_than_announced_ends_in_a_timeout(port):
    status, body, seconds = ask(port, headers(Content_Length=100), b"{")
    assert status == 408
    assert "0.5 seconds" in body["detail"]
    assert 0.4 < seconds < 2


def test_a_body_that_trickles_in_ends_in_a_timeout(port):
    status, _, seconds = ask(port, headers(Content_Length=100), *[b" "] * 30, pause=0.05)
    assert (status, seconds < 3) == (408, True)


def test_headers_that_trickle_in_end_in_a_timeout(port):
    status, _, _ = ask(port, b"GET / HTTP/1.1\r\n", *[b"X"] * 30, pause=0.05)
    assert status == 408


def test_a_silent_connection_is_closed(port):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        assert read_answer(connection)[0] == 408


def test_a_second_request_on_a_connection_has_a_clock_too(port):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: service\r\n\r\n")
        assert read_answer(connection)[0] == 200
        connection.sendall(b"GET /heal")
        assert read_answer(connection)[0] == 408


def test_endless_headers_are_refused(port):
    status, _, seconds = ask(port, b"GET / HTTP/1.1\r\n", *[b"X-Header: " + b"y" * 10_000 + b"\r\n"] * 20)
    assert (status, seconds < QUICK) == (431, True)


def test_bytes_that_are_not_http_are_refused(port):
    assert ask(port, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")[0] == 400


def test_slow_clients_do_not_keep_others_out(port):
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(10)]
    for connection in slow:
        connection.sendall(headers(Content_Length=100) + b"{")
    status, _, seconds = ask(port, b"GET /healthz HTTP/1.1\r\nHost: service\r\n\r\n")
    assert (status, seconds < QUICK) == (200, True)
    for connection in slow:
        connection.close()


def test_sigterm_finishes_the_request_in_flight_and_stops_with_0(tmp_path{% if cookiecutter.tracking %}, tables{% endif %}):
{%- if cookiecutter.tracking %}
    shutil.copyfile(tables, tmp_path / "mlflow.db")
{%- endif %}
    command = [sys.executable, "-m", "{{ cookiecutter.package }}.serving", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert found is not None
        with socket.create_connection(("127.0.0.1", int(found.group(1))), timeout=30) as connection:
            connection.sendall(headers(Content_Length=2, Expect="100-continue"))
            assert b" 100 " in connection.recv(1000)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            connection.sendall(b"{}")
            assert read_answer(connection)[0] == 422
        assert process.wait(30) == 0


def test_small_answers_are_sent_at_once():
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP  # what asyncio looks at before it sets TCP_NODELAY


def test_a_port_in_use_is_an_error_with_a_way_out(port):
    command = [sys.executable, "-m", "{{ cookiecutter.package }}.serving", "--port", str(port)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert "--port 0" in result.stderr
    assert "Traceback" not in result.stderr
