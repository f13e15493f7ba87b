"""The load test, against a service that answers, one that doesn't, and none."""

from __future__ import annotations

import json
import socket

import pytest

from {{ cookiecutter.package }}.serving.load import main

from support import SAMPLE


def run(capsys, *arguments):
    code = main(["--file", str(SAMPLE), *arguments])
    shown = capsys.readouterr()
    return code, json.loads(shown.out), shown.err


def url(port):
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def nobody():
    """A port on which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_it_prints_rates_and_times(steady, capsys):
    code, figures, errors = run(capsys, "--url", url(steady.port), "--rows", "20", "--concurrency", "3")
    assert (code, errors) == (0, "")
    assert (figures["requests"], figures["errors"], figures["rows"]) == (20, 0, 20)
    assert figures["requests_per_second"] == figures["rows_per_second"] > 0
    assert 0 < figures["p50_ms"] <= figures["p95_ms"] <= figures["p99_ms"]


def test_rows_go_in_batches(steady, capsys):
    code, figures, _ = run(capsys, "--url", url(steady.port) + "/", "--rows", "20", "--batch", "8")
    assert (code, figures["requests"], figures["rows"]) == (0, 3, 20)


def test_where_nobody_listens_it_says_so_and_gives_up(nobody, capsys):
    code, figures, errors = run(capsys, "--url", url(nobody), "--rows", "50")
    assert (code, figures["p50_ms"]) == (1, None)
    assert 20 <= figures["errors"] < 30
    assert "refused" in errors


def test_an_answer_that_is_none_is_shown(serve, settings, registry, capsys):
    registry.current = None
    with serve(settings, registry) as client:
        code, figures, errors = run(capsys, "--url", url(client.port), "--rows", "5")
    assert (code, figures["errors"], figures["requests"]) == (1, 5, 5)
    assert errors.startswith("5 requests failed, the first one: 503 Service Unavailable: ")


def test_it_ends_when_its_time_is_up(steady, capsys):
    _, figures, _ = run(capsys, "--url", url(steady.port), "--rows", "20", "--seconds", "1e-9")
    assert figures["requests"] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--url", "http://127.0.0.1:999999"),
        ("--url", "127.0.0.1:8000"),
        ("--url", "http://"),
        ("--rows", "0"),
        ("--batch", "x"),
        ("--concurrency", "100000"),
        ("--timeout", "nan"),
        ("--seconds", "-1"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert f"argument {arguments[0]}: " in capsys.readouterr().err
