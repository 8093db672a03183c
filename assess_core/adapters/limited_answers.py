"""Answers of other servers, with limits of size and time for the whole answer.

A socket's timeout is only for one call, and a server that sends a byte every few seconds never reaches it.
"""

import time
from io import BufferedReader, RawIOBase
from socket import SocketIO, socket


class TooLong(OSError):
    """An answer is larger than its limit."""


def limited_answer(sock: socket, *, until: float, most_bytes: int) -> BufferedReader:
    """What a server sends, until a time of `time.monotonic()`.

    A read raises `TimeoutError` after that time, or when the socket's own timeout is over, and `TooLong` after
    `most_bytes`.
    """
    return BufferedReader(_Limited(sock, until, most_bytes))


class _Limited(RawIOBase):
    def __init__(self, sock: socket, until: float, most_bytes: int) -> None:
        self._sock = sock
        self._timeout = sock.gettimeout()
        self._answer: SocketIO = sock.makefile("rb", buffering=0)
        self._until = until
        self._most_bytes = most_bytes
        self._left = most_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override] # BufferedReader gives no other
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the whole answer takes too long")
        self._sock.settimeout(seconds if self._timeout is None else min(seconds, self._timeout))
        count = self._answer.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise TooLong(f"more than {self._most_bytes:,} bytes")
        return count

    def close(self) -> None:
        self._answer.close()
        super().close()
