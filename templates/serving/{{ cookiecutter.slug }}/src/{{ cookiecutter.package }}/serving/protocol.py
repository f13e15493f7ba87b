"""Bounds on connections: a request's headers, silent clients and their number, which uvicorn leaves open."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

MAX_HEADER_BYTES = 65_536


class Connections:
    """A server's connections in the order in which they began to wait for their clients.

    Health checks and metrics come over new connections like everything else: where no more may be open, the
    client that lets the service wait longest gives way. Those whose request is being answered never do.

    Args:
        most: beyond it one is closed for each new one.
        header_seconds: time for a request's headers.
        answer_seconds: time in which a client has to take some of an answer that it lets pile up.
        closed: called for each that had to give way.
    """

    def __init__(
        self, most: int, *, header_seconds: float, answer_seconds: float, closed: Callable[[], None]
    ) -> None:
        self.header_seconds = header_seconds
        self.answer_seconds = answer_seconds
        self._most = most
        self._closed = closed
        self._waiting: dict[BoundedProtocol, None] = {}

    def wait_for(self, connection: BoundedProtocol) -> None:
        """From now on it is the client's turn."""
        self._waiting.pop(connection, None)
        self._waiting[connection] = None

    def forget(self, connection: BoundedProtocol) -> None:
        """It is the service's turn, or the connection is gone."""
        self._waiting.pop(connection, None)

    def make_room(self, count: int) -> None:
        """Close the connection that waits longest, if there are more than may be."""
        if count > self._most:
            longest = next(iter(self._waiting))
            self.forget(longest)
            self._closed()
            longest.cut_off()


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 in which headers have a size and a time; both are counted from where a request may begin."""

    among: Connections

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock: a connection that never sends anything is closed too."""
        super().connection_made(transport)
        self._start_clock()
        self.among.wait_for(self)
        self.among.make_room(len(self.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self._stop_clock()
        self.among.forget(self)
        super().connection_lost(exc)
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Count what arrives before the headers are complete, and let nobody change the protocol."""
        if self._deadline is not None:
            self._header_bytes += len(data)
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self.send_400_response("")
        if self._deadline is not None and self._header_bytes > MAX_HEADER_BYTES:
            self._refuse_headers()

    def _parse(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                self._ignore_upgrade()
            else:
                return

    def _ignore_upgrade(self) -> None:
        # A server may ignore the offer, but the parser takes the body for another protocol's. So it gets the
        # headers once more without it.
        method = self.parser.get_method()
        if method == b"CONNECT":
            raise httptools.HttpParserError("this is no proxy")
        lines = [b"%s %s HTTP/%s" % (method, self.url, self.parser.get_http_version().encode())]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))

    def on_message_begin(self) -> None:
        """Start the clock for a further request on the same connection."""
        if self._deadline is None:
            self._start_clock()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop the clock: from here on the body's limits hold."""
        if self.parser.should_upgrade():
            return
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEADER_BYTES:
            self._refuse_headers()
            raise httptools.HttpParserError("the headers are too large")
        self._stop_clock()
        self.among.wait_for(self)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Let it be the service's turn."""
        if not self.parser.should_upgrade():
            self.among.forget(self)
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Let it be the client's turn: to take the answer, and to send the next request."""
        self.among.wait_for(self)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Start the clock for a client that doesn't take its answer."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(self.among.answer_seconds, self.cut_off)

    def resume_writing(self) -> None:
        """Stop that clock."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def cut_off(self) -> None:
        """Close at once, without waiting for the client to take what was sent."""
        reset = struct.pack("ii", 1, 0)
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002, not for clients
        """Answer what isn't HTTP in JSON, like everything else."""
        self._refuse(b"400 Bad Request", b"this is not an HTTP/1.1 request")

    def _start_clock(self) -> None:
        self._header_bytes = 0
        self._deadline = self.loop.call_later(self.among.header_seconds, self._timed_out)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _timed_out(self) -> None:
        self._refuse(b"408 Request Timeout", b"the headers did not arrive in time")

    def _refuse_headers(self) -> None:
        self._refuse(b"431 Request Header Fields Too Large", b"the headers are too large")

    def _refuse(self, status: bytes, detail: bytes) -> None:
        self._stop_clock()
        if self.transport.is_closing():
            return
        content = b'{"detail": "' + detail + b'"}'
        lines = (b"HTTP/1.1 " + status, b"content-type: application/json", b"connection: close")
        length = b"content-length: %d\r\n\r\n" % len(content)
        self.transport.write(b"\r\n".join((*lines, length)) + content)
        self.transport.close()


def bounded(connections: Connections) -> type[BoundedProtocol]:
    """Return the protocol of a server with these connections."""
    return type("BoundedProtocol", (BoundedProtocol,), {"among": connections})
