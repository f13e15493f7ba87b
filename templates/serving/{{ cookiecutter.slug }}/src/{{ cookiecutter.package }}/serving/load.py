"""Replay rows of a data file against a running service, and measure it."""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import math
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from {{ cookiecutter.package }}.data import RAW, parts, read_file
from {{ cookiecutter.package }}.errors import ProjectError
from {{ cookiecutter.package }}.schema import COLUMNS, FEATURES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_ROWS, MOST_CONNECTIONS, LONGEST_SECONDS = 1_000_000, 1000, 86_400
Connection = http.client.HTTPConnection
HOPELESS = 20
"""Requests that may fail before there was any answer; whoever sends further ones waits for nothing."""


def records(path: Path, rows: int) -> list[dict[str, Any]]:
    """Return the features of `rows` rows at even steps through a file, as the service takes them.

    Raises:
        DataError: the file can't be read or lacks a column.
    """
    frame = read_file(path)[list(FEATURES)]
    chosen = frame.iloc[:: max(1, len(frame) // rows)].head(rows).copy()
    for column in COLUMNS:
        if column.kind == "boolean":
            chosen[column.name] = chosen[column.name].map({1.0: True, 0.0: False})
    # pandas writes missing values of every kind as null.
    parsed: list[dict[str, Any]] = json.loads(chosen.to_json(orient="records", date_format="iso"))
    return parsed


class Replay:
    """Sends rows to `/predict` over several connections, each with one request at a time.

    Args:
        url: the service, such as http://127.0.0.1:8000; a path in it goes before /predict.
        rows: what `records` gave.
        batch: rows in a request.
        timeout: seconds after which an answer counts as an error.
        seconds: after which no further request is sent.
    """

    def __init__(
        self, url: str, rows: Sequence[dict[str, Any]], *, batch: int, timeout: float, seconds: float
    ) -> None:
        self._url = url
        self._path = urlsplit(url).path.rstrip("/") + "/predict"
        self._batches = (rows[first : first + batch] for first in range(0, len(rows), batch))
        self._timeout = timeout
        self._seconds = seconds
        self._ends = math.inf
        self._lock = threading.Lock()
        self._rows = 0
        self._errors = 0
        self._milliseconds: list[float] = []
        self.first_error: str | None = None

    def run(self, connections: int) -> dict[str, Any]:
        """Send everything, or as much as there is time for.

        Returns:
            connections, requests, errors, rows, seconds, requests_per_second, rows_per_second, p50_ms, p95_ms
            and p99_ms. Rows, rates and times are those of requests that were answered; times are None if none
            was.
        """
        begun = time.perf_counter()
        self._ends = begun + self._seconds
        threads = [threading.Thread(target=self._send_batches) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - begun
        answered = len(self._milliseconds)
        return {
            "connections": connections,
            "requests": answered + self._errors,
            "errors": self._errors,
            "rows": self._rows,
            "seconds": round(seconds, 3),
            "requests_per_second": round(answered / seconds),
            "rows_per_second": round(self._rows / seconds),
            **{f"p{share}_ms": self._percentile(share) for share in (50, 95, 99)},
        }

    def _percentile(self, share: int) -> float | None:
        times = sorted(self._milliseconds)
        return round(times[math.ceil(len(times) * share / 100) - 1], 2) if times else None

    def _send_batches(self) -> None:
        with contextlib.closing(_connection(self._url, self._timeout)) as connection:
            for some in self._due():
                started = time.perf_counter()
                problem = _ask(connection, self._path, some)
                milliseconds = (time.perf_counter() - started) * 1000
                with self._lock:
                    if problem is None:
                        self._milliseconds.append(milliseconds)
                        self._rows += len(some)
                    else:
                        self._errors += 1
                        self.first_error = self.first_error or problem

    def _due(self) -> Iterator[Sequence[dict[str, Any]]]:
        while time.perf_counter() < self._ends:
            with self._lock:
                hopeless = self._errors >= HOPELESS and not self._milliseconds
                some = None if hopeless else next(self._batches, None)
            if some is None:
                return
            yield some


def _connection(url: str, timeout: float) -> Connection:
    parsed = urlsplit(url)
    kind = http.client.HTTPSConnection if parsed.scheme == "https" else Connection
    return kind(parsed.hostname or "", parsed.port, timeout=timeout)


def _ask(connection: Connection, path: str, some: Sequence[dict[str, Any]]) -> str | None:
    """Return why not every row was answered; a broken connection is opened anew by the next request."""
    try:
        body = json.dumps({"records": some})
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException, ValueError) as error:  # the last: a name that can't be one
        connection.close()
        return str(error) or type(error).__name__
    if response.status != http.HTTPStatus.OK:
        return f"{response.status} {response.reason}: {answer[:300].decode(errors='replace')}"
    try:
        answered = len(json.loads(answer)["predictions"])
    except (ValueError, KeyError, TypeError):
        return f"this is no prediction: {answer[:300].decode(errors='replace')}"
    return None if answered == len(some) else f"{answered} predictions for {len(some)} rows"


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay as the arguments say and print the figures as JSON; 1 if any request failed."""
    parser = argparse.ArgumentParser(
        prog="python -m {{ cookiecutter.package }}.serving.load",
        description="Replay rows of a data file against a running service. It ends when all rows were sent,"
        " when its time is up, or when nothing answers.",
    )
    parser.add_argument(
        "--url", type=_url, default="http://127.0.0.1:8000", help="the service (default: %(default)s)"
    )
    parser.add_argument("--file", type=Path, help="a data file (default: the first one in data/raw)")
    parser.add_argument("--rows", type=_rows, default=1000, help="how many rows (default: %(default)s)")
    parser.add_argument("--batch", type=_rows, default=1, help="rows in a request (default: %(default)s)")
    parser.add_argument(
        "--concurrency", type=_connections, default=4, help="requests at a time (default: %(default)s)"
    )
    parser.add_argument(
        "--timeout", type=_seconds, default=30, help="seconds to wait for an answer (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds", type=_seconds, default=60, help="send nothing more after these (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    try:
        rows = records(options.file or parts(RAW)[0], options.rows)
    except ProjectError as error:
        print(error, file=sys.stderr)
        return 1
    replay = Replay(options.url, rows, batch=options.batch, timeout=options.timeout, seconds=options.seconds)
    figures = replay.run(options.concurrency)
    print(json.dumps(figures, indent=2))
    if replay.first_error is not None:
        print(f"{figures['errors']} requests failed, the first one: {replay.first_error}", file=sys.stderr)
    return 1 if figures["errors"] else 0


def _url(text: str) -> str:
    try:
        parsed = urlsplit(text)
        valid = parsed.scheme in {"http", "https"} and bool(parsed.hostname) and parsed.port != 0
    except ValueError:  # a port that is none
        valid = False
    if not valid:
        raise argparse.ArgumentTypeError(f"{text!r} is no address such as http://127.0.0.1:8000")
    return text


def _rows(text: str) -> int:
    return _whole(text, MOST_ROWS)


def _connections(text: str) -> int:
    return _whole(text, MOST_CONNECTIONS)


def _whole(text: str, most: int) -> int:
    with contextlib.suppress(ValueError):
        if 1 <= int(text) <= most:
            return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to {most}")


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) <= LONGEST_SECONDS:  # nan is neither
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0, up to {LONGEST_SECONDS}")


if __name__ == "__main__":
    sys.exit(main())
