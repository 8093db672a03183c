"""HTTP with limits: how large the head of a request may be, and how long a client may take to send it.

uvicorn limits the head only with its slower parser (h11), and an idle connection only after its first request.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES: Final = 64 * 1024
"""Bytes of the request line and all headers; browsers and gateways send a few kB."""
HEAD_SECONDS: Final = 10.0
"""Seconds from the first byte of a connection, or of a request on it, to the end of its headers."""
MOST_CONNECTIONS: Final = 1000
"""Connections and requests at the same time; more get a 503."""

_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"connection: close\r\ncontent-length: 44\r\n\r\nthe headers are larger than 65,536 bytes...\n"
)


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with `MOST_HEAD_BYTES` and `HEAD_SECONDS`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = True
        self._progress = 0  # heads that ended, and parts of bodies
        self._trailer_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected; it now has `HEAD_SECONDS` to send its first headers."""
        super().connection_made(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection ended."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes arrived. All bytes of an unfinished head, and of trailers, are counted, also those that are dropped."""
        if self.transport.is_closing():
            return
        progress = self._progress
        super().data_received(data)
        if not self._in_head and self._is_idle():
            self._begin_head()  # empty lines between requests: uvicorn stops its idle timer, the parser sees no request
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._refuse()
            return
        # the parser holds a trailer in memory until its end
        self._trailer_bytes = self._trailer_bytes + len(data) if self._progress == progress else 0
        if self._trailer_bytes > MOST_HEAD_BYTES:
            self._refuse()

    def on_message_begin(self) -> None:
        """A request begins, perhaps another one on the same connection."""
        super().on_message_begin()
        if not self._in_head:
            self._begin_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer after the body. Trailers are dropped: proxies do not check or remove them."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head of a request has ended."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        self._end_head()
        self._progress += 1
        if size > MOST_HEAD_BYTES:
            self._refuse()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body arrived. It is dropped if the request was refused."""
        self._progress += 1
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request has ended."""
        if not self.transport.is_closing():
            super().on_message_complete()

    def _is_idle(self) -> bool:
        return self.cycle is not None and self.cycle.response_complete and not self.cycle.more_body

    def _begin_head(self) -> None:
        self._head_bytes, self._in_head = 0, True
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _end_head(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()
