"""Clients that send too much, too slowly or something else than they said, over real connections."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time

import pytest

from {{ cookiecutter.package }}.serving.server import listen
from {{ cookiecutter.package }}.serving.settings import Settings

from .wire import ask, chunk, get, headers, read_answer

MEGABYTE = b" " * 1_000_000
PATIENCE = Settings().body_timeout_seconds


@pytest.fixture
def port(steady) -> int:
    """Return the port of a service that waits for long: no answer is due to a time that was up."""
    return steady.port


def test_a_length_beyond_the_bound_is_refused_before_the_body(port):
    status, body, _ = ask(port, headers(Content_Length=10**12))
    assert status == 413
    assert "100000 bytes" in body["detail"]


def test_a_client_that_sends_it_all_the_same_still_gets_the_answer(port):
    status, body, _ = ask(port, headers(Content_Length=3_000_000), MEGABYTE, MEGABYTE, MEGABYTE)
    assert (status, "100000 bytes" in body["detail"]) == (413, True)


def test_chunks_are_counted(port):
    status, _, _ = ask(port, headers(Transfer_Encoding="chunked"), *[chunk(MEGABYTE[:60_000])] * 4)
    assert status == 413


def test_a_chunked_request_within_the_bounds_is_answered(port, records):
    content = json.dumps(records[0]).encode()
    middle = len(content) // 2
    parts = [chunk(content[:middle]), chunk(content[middle:]), b"0\r\n\r\n"]
    status, body, _ = ask(port, headers(Transfer_Encoding="chunked"), *parts)
    assert (status, len(body["predictions"])) == (200, 1)


@pytest.mark.parametrize("pause", [0.0, 0.05])
@pytest.mark.parametrize("offered", ["h2c", "websocket"])
def test_another_protocol_is_an_offer_that_is_not_taken(port, records, offered, pause):
    """As `curl --http2` makes it, in one piece and in several."""
    content = json.dumps(records[0]).encode()
    head = headers(Connection="Upgrade, HTTP2-Settings", Upgrade=offered, Content_Length=len(content))
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(head[:-20])
        time.sleep(pause)
        connection.sendall(head[-20:])
        time.sleep(pause)
        connection.sendall(content + get("/healthz"))
        status, body = read_answer(connection)
        assert (status, len(body["predictions"])) == (200, 1)
        assert read_answer(connection)[0] == 200


def test_a_proxy_is_what_it_is_not(port):
    assert ask(port, b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere\r\n\r\n")[0] == 400


@pytest.mark.parametrize("value", ["-1", "abc", "1, 2", "99999999999999999999999"])
def test_a_length_that_is_no_number_is_refused(port, value):
    assert ask(port, headers(Content_Length=value))[0] in {400, 413}


def test_a_body_shorter_than_announced_ends_in_a_timeout(impatient):
    status, body, seconds = ask(impatient.port, headers(Content_Length=100), b"{")
    assert status == 408
    assert "0.5 seconds" in body["detail"]
    assert 0.4 < seconds < PATIENCE


def test_a_body_that_trickles_in_ends_in_a_timeout(impatient):
    assert ask(impatient.port, headers(Content_Length=100), *[b" "] * 30, pause=0.05)[0] == 408


def test_headers_that_trickle_in_end_in_a_timeout(impatient):
    assert ask(impatient.port, b"GET / HTTP/1.1\r\n", *[b"X"] * 30, pause=0.05)[0] == 408


def test_a_silent_connection_is_closed(impatient):
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=30) as connection:
        assert read_answer(connection)[0] == 408


def test_a_second_request_on_a_connection_has_a_clock_too(impatient):
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=30) as connection:
        connection.sendall(get("/healthz"))
        assert read_answer(connection)[0] == 200
        connection.sendall(b"GET /heal")
        assert read_answer(connection)[0] == 408


def test_endless_headers_are_refused(port):
    assert ask(port, b"GET / HTTP/1.1\r\n", *[b"X-Header: " + b"y" * 10_000 + b"\r\n"] * 20)[0] == 431


@pytest.mark.parametrize("line", [b"X-Header: %s", b"%s: value"])
def test_large_headers_are_refused_in_one_piece_too(port, line):
    request = get("/healthz")[:-2] + line % (b"y" * 70_000) + b"\r\n\r\n"
    status, body, _ = ask(port, request)
    assert (status, body) == (431, {"detail": "the headers are too large"})
    assert ask(port, b"GET /" + b"y" * 70_000 + b" HTTP/1.1\r\nHost: service\r\n\r\n")[0] == 431


def test_a_large_body_is_no_large_header(port):
    content = b" " * 90_000 + b"{}"
    assert ask(port, headers(Content_Length=len(content)) + content)[0] == 422


def test_bytes_that_are_not_http_are_refused(port):
    assert ask(port, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")[0] == 400


def test_slow_clients_do_not_keep_others_out(port):
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(10)]
    for connection in slow:
        connection.sendall(headers(Content_Length=100) + b"{")
    status, _, seconds = ask(port, get("/healthz"))
    assert (status, seconds < PATIENCE) == (200, True)
    for connection in slow:
        connection.close()


def test_small_answers_are_sent_at_once():
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP  # what asyncio looks at before it sets TCP_NODELAY


def test_a_port_in_use_is_an_error_with_a_way_out(port):
    command = [sys.executable, "-m", "{{ cookiecutter.package }}.serving", "--port", str(port)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 1
    assert "--port 0" in result.stderr
    assert "Traceback" not in result.stderr
