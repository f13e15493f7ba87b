"""Replay rows of a data file against a running service, and measure it."""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from {{ cookiecutter.package }}.data import RAW, parts, read_file
from {{ cookiecutter.package }}.errors import ProjectError
from {{ cookiecutter.package }}.schema import COLUMNS, FEATURES

if TYPE_CHECKING:
    from collections.abc import Sequence


def records(path: Path, rows: int) -> list[dict[str, Any]]:
    """Return the features of `rows` rows at even steps through a file, as the service takes them.

    Raises:
        DataError: the file can't be read or lacks a column.
    """
    frame = read_file(path)[list(FEATURES)]
    chosen = frame.iloc[:: max(1, len(frame) // rows)].head(rows)
    for column in COLUMNS:
        if column.kind == "boolean":
            chosen = chosen.assign(**{column.name: chosen[column.name].map({1.0: True, 0.0: False})})
    # pandas writes missing values of every kind as null.
    parsed: list[dict[str, Any]] = json.loads(chosen.to_json(orient="records", date_format="iso"))
    return parsed


def replay(url: str, rows: Sequence[dict[str, Any]], batch: int, timeout: float) -> dict[str, Any]:
    """Send rows to `/predict` over one connection, one request at a time.

    Args:
        url: the service, such as http://127.0.0.1:8000.
        rows: what `records` gave.
        batch: rows in a request.
        timeout: seconds after which an answer counts as an error.

    Returns:
        requests, errors, rows, seconds, rows_per_second, p50_ms and p99_ms.
    """
    milliseconds: list[float] = []
    errors = 0
    begun = time.perf_counter()
    with closing(_connection(url, timeout)) as connection:
        for first in range(0, len(rows), batch):
            some = rows[first : first + batch]
            started = time.perf_counter()
            if not _ask(connection, some):
                errors += 1
            milliseconds.append((time.perf_counter() - started) * 1000)
    seconds = time.perf_counter() - begun
    milliseconds.sort()
    return {
        "requests": len(milliseconds),
        "errors": errors,
        "rows": len(rows),
        "seconds": round(seconds, 3),
        "rows_per_second": round(len(rows) / seconds),
        "p50_ms": round(milliseconds[len(milliseconds) // 2], 2),
        "p99_ms": round(milliseconds[int(len(milliseconds) * 0.99)], 2),
    }


def _connection(url: str, timeout: float) -> http.client.HTTPConnection:
    parsed = urlsplit(url)
    kind = http.client.HTTPSConnection if parsed.scheme == "https" else http.client.HTTPConnection
    return kind(parsed.hostname or "127.0.0.1", parsed.port, timeout=timeout)


def _ask(connection: http.client.HTTPConnection, some: Sequence[dict[str, Any]]) -> bool:
    """Whether the service answered every row; a connection that broke is opened anew by the next request."""
    try:
        body = json.dumps({"records": some})
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return False
    return response.status == http.HTTPStatus.OK and len(json.loads(answer)["predictions"]) == len(some)


def main() -> int:
    """Replay as the arguments say and print the figures as JSON; 1 if any request failed."""
    parser = argparse.ArgumentParser(description="Replay rows of a data file against a running service.")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the service (default: %(default)s)")
    parser.add_argument("--file", type=Path, help="a data file (default: the first one in data/raw)")
    parser.add_argument("--rows", type=int, default=1000, help="how many rows (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=1, help="rows in a request (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.rows < 1 or arguments.batch < 1:
        parser.error("--rows and --batch must be at least 1")
    try:
        rows = records(arguments.file or parts(RAW)[0], arguments.rows)
    except ProjectError as error:
        print(error, file=sys.stderr)
        return 1
    figures = replay(arguments.url, rows, arguments.batch, arguments.timeout)
    print(json.dumps(figures, indent=2))
    return 1 if figures["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
