"""Requests as bytes over real connections, for clients that don't behave."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time

POST = b"POST /predict HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\n"


def ask(port: int, *parts: bytes, pause: float = 0.0) -> tuple[int, dict, float]:
    """Send the parts, whatever comes back meanwhile; return status, body and the seconds it took."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        started = time.monotonic()
        with contextlib.suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
        status, body = read_answer(connection)
        return status, body, time.monotonic() - started


def read_answer(connection: socket.socket) -> tuple[int, dict]:
    """Read one answer, and leave the next one where it is."""
    answer = b""
    with contextlib.suppress(ConnectionError):
        while b"\r\n\r\n" not in answer or len(answer.split(b"\r\n\r\n", 1)[1]) < length(answer):
            chunk = connection.recv(1)
            if not chunk:
                break
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, json.loads(body) if body else {}


def length(answer: bytes) -> int:
    found = re.search(rb"content-length: (\d+)", answer.lower())
    return int(found.group(1)) if found else 0


def headers(**fields: object) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}\r\n".encode() for name, value in fields.items()]
    return POST + b"".join(lines) + b"\r\n"


def chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: service\r\n\r\n".encode()
