"""Bounds on a request's body: its size, whatever its headers claim, and the time it takes to arrive."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .asgi import ASGIApp, Message, Receive, Scope, Send

LINGER_SECONDS = 1.0
LINGER_FACTOR = 16


class BodyTooLarge(Exception):  # noqa: N818, raised and caught in here
    """More bytes were announced or sent than are allowed."""


class BodyLimits:
    """ASGI middleware that hands on complete bodies of bounded size, and answers 413 and 408 itself.

    Args:
        app: what to protect.
        max_bytes: largest body; at most this much of a body is held in memory.
        timeout_seconds: time from the headers to the body's last byte.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, timeout_seconds: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check_announced(scope)
            async with asyncio.timeout(self._timeout_seconds):
                body = await self._receive_body(receive)
        except BodyTooLarge:
            detail = f"the body is larger than {self._max_bytes} bytes: send fewer records at a time"
            await self._refuse(413, detail, receive, send)
        except TimeoutError:
            detail = f"the body did not arrive within {self._timeout_seconds:g} seconds"
            await self._refuse(408, detail, receive, send)
        else:
            if body is not None:
                await self._app(scope, _replay(body, receive), send)

    def _check_announced(self, scope: Scope) -> None:
        for name, value in scope["headers"]:
            if name == b"content-length" and int(value) > self._max_bytes:
                raise BodyTooLarge

    async def _receive_body(self, receive: Receive) -> bytes | None:
        """Return the body, or None when the client went away."""
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > self._max_bytes:
                raise BodyTooLarge
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    async def _refuse(self, status: int, detail: str, receive: Receive, send: Send) -> None:
        content = json.dumps({"detail": detail}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content, "more_body": True})
        await self._linger(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _linger(self, receive: Receive) -> None:
        # Closing while the client still sends would reset the connection, and the answer would be lost.
        left = LINGER_FACTOR * self._max_bytes
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while left > 0:
                    message = await receive()
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        return
                    left -= len(message.get("body", b""))
        except TimeoutError:
            return


def _replay(body: bytes, receive: Receive) -> Receive:
    delivered = False

    async def replay() -> Message:
        nonlocal delivered
        if delivered:
            return await receive()
        delivered = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
