"""Bounds on a request's headers and on silent connections, which uvicorn leaves open without an end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

MAX_HEADER_BYTES = 65_536


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 in which headers have a size and a time; both are counted from where a request may begin."""

    header_timeout_seconds = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock: a connection that never sends anything is closed too."""
        super().connection_made(transport)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what arrives before the headers are complete."""
        if self._deadline is not None:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._deadline is not None and self._header_bytes > MAX_HEADER_BYTES:
            self._refuse(b"431 Request Header Fields Too Large", b"the headers are too large")

    def on_message_begin(self) -> None:
        """Start the clock for a further request on the same connection."""
        if self._deadline is None:
            self._start_clock()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop the clock: from here on the body's limits hold."""
        self._stop_clock()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002, not for clients
        """Answer what isn't HTTP in JSON, like everything else."""
        self._refuse(b"400 Bad Request", b"this is not an HTTP/1.1 request")

    def _start_clock(self) -> None:
        self._header_bytes = 0
        self._deadline = self.loop.call_later(self.header_timeout_seconds, self._timed_out)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _timed_out(self) -> None:
        self._refuse(b"408 Request Timeout", b"the headers did not arrive in time")

    def _refuse(self, status: bytes, detail: bytes) -> None:
        self._stop_clock()
        if self.transport.is_closing():
            return
        content = b'{"detail": "' + detail + b'"}'
        lines = (b"HTTP/1.1 " + status, b"content-type: application/json", b"connection: close")
        length = b"content-length: %d\r\n\r\n" % len(content)
        self.transport.write(b"\r\n".join((*lines, length)) + content)
        self.transport.close()


def bounded(header_timeout_seconds: float) -> type[BoundedProtocol]:
    """Return the protocol with this time for a request's headers."""
    return type("BoundedProtocol", (BoundedProtocol,), {"header_timeout_seconds": header_timeout_seconds})
