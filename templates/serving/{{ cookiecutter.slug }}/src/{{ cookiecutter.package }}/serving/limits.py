"""Bounds on requests: a body's size, whatever is said of it, its time to arrive, and how many there are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from .asgi import ASGIApp, Message, Receive, Scope, Send
    from .settings import Settings

LINGER_SECONDS = 1.0
LINGER_FACTOR = 16
CLOSE = (b"connection", b"close")
SOON = {"Retry-After": "1"}
REPLACED = frozenset({b"content-length", b"transfer-encoding"})


class RequestLimits:
    """ASGI middleware that hands on complete requests in bounded number, and refuses all others itself.

    A request that would have to wait behind too many others is refused before its body is read. What asks for
    health or metrics waits for nobody.

    Args:
        app: what to protect.
        settings: the bounds.
        queued: paths whose requests wait for a thread.
        shed: told why, whenever the load has a request refused.
        stopping: whether the process is about to end; connections are then closed after each answer.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: Settings,
        queued: frozenset[str],
        shed: Callable[[str], None],
        stopping: Callable[[], bool],
    ) -> None:
        self._app = app
        self._settings = settings
        self._most_held = settings.max_queue * settings.max_body_bytes
        self._queued = queued
        self._shed = shed
        self._stopping = stopping
        self._queue = 0
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body()
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] == "http.response.start" and self._stopping():
                message = {**message, "headers": [*message.get("headers", ()), CLOSE]}
            await send(message)

        try:
            if await self._arrives(scope, receive, body):
                await self._hand_on(scope, receive, answer, body)
        except Refusal as refusal:
            self._release(body)
            await _refuse(refusal, receive, answer, linger=LINGER_FACTOR * self._limit)
        except asyncio.CancelledError:
            # The server's time to stop is up. Whoever still waits is at least told so.
            if started:
                raise
            self._shed("stopping")
            too_late = Refusal(503, "the service stops before this request's turn: send it again", SOON)
            await _refuse(too_late, receive, answer, linger=0)
        finally:
            self._release(body)

    async def _arrives(self, scope: Scope, receive: Receive, body: _Body) -> bool:
        """Read the body; false when the client went away.

        Raises:
            Refusal: 408, 413 or 503.
        """
        if any(name == b"content-length" and int(value) > self._limit for name, value in scope["headers"]):
            raise self._too_large
        self._require_room(scope)
        seconds = self._settings.body_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return False
                    self._take(message.get("body", b""), body)
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise Refusal(408, f"the body did not arrive within {seconds:g} seconds") from None
        # Others may have been quicker meanwhile.
        self._require_room(scope)
        return True

    @property
    def _limit(self) -> int:
        return self._settings.max_body_bytes

    @property
    def _too_large(self) -> Refusal:
        return Refusal(413, f"the body is larger than {self._limit} bytes: send fewer records at a time")

    def _require_room(self, scope: Scope) -> None:
        if scope["path"] in self._queued and self._queue >= self._settings.max_queue:
            self._shed("queue")
            raise Refusal(503, "too many requests wait already: send this one again in a moment", SOON)

    def _take(self, chunk: bytes, body: _Body) -> None:
        if body.size + len(chunk) > self._limit:
            raise self._too_large
        if self._held + len(chunk) > self._most_held:
            self._shed("memory")
            raise Refusal(503, "too many requests arrive at once: send this one again in a moment", SOON)
        self._held += len(chunk)
        body.add(chunk)

    def _release(self, body: _Body) -> None:
        self._held -= body.size
        body.size = 0
        body.hand_over()

    async def _hand_on(self, scope: Scope, receive: Receive, send: Send, body: _Body) -> None:
        place = int(scope["path"] in self._queued)
        self._queue += place

        async def send_on(message: Message) -> None:
            nonlocal place
            # The work is done, and a client that has its answer may send the next request at once.
            self._queue -= place
            place = 0
            await send(message)

        try:
            await self._app(_complete(scope, body.size), _replay(body, receive), send_on)
        finally:
            self._queue -= place


class _Body:
    """What has arrived of a body."""

    def __init__(self) -> None:
        self.size = 0
        self._chunks: list[bytes] = []

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._chunks.append(chunk)

    def hand_over(self) -> bytes:
        """Return all of it, and keep nothing: whoever waits for a thread must not hold it twice."""
        whole = b"".join(self._chunks)
        self._chunks.clear()
        return whole


def _complete(scope: Scope, length: int) -> Scope:
    """Return the request as it is now: with all of its body, however it came."""
    headers = [(name, value) for name, value in scope["headers"] if name not in REPLACED]
    headers.append((b"content-length", str(length).encode()))
    # Of an answer to HEAD the server sends the headers only; to an application it is a GET.
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    return {**scope, "method": method, "headers": headers}


def _replay(body: _Body, receive: Receive) -> Receive:
    delivered = False

    async def replay() -> Message:
        nonlocal delivered
        if delivered:
            return await receive()
        delivered = True
        return {"type": "http.request", "body": body.hand_over(), "more_body": False}

    return replay


async def _refuse(refusal: Refusal, receive: Receive, send: Send, *, linger: int) -> None:
    content = refusal.problem.model_dump_json().encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        CLOSE,
        *((name.lower().encode(), value.encode()) for name, value in refusal.headers.items()),
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": content, "more_body": True})
    await _linger(receive, linger)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _linger(receive: Receive, left: int) -> None:
    # Closing while the client still sends would reset the connection, and the answer would be lost.
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
                left -= len(message.get("body", b""))
    except TimeoutError:
        return
