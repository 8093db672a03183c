"""How a position proves that a file is still the one that was read.

A proof is a digest of the first and the last 16 KiB before the position. It costs two short reads per file, however
large the file is: at start-up and when a file changed. A digest of everything read would read gigabytes again at each
start. Neither inode nor time is compared: an inode is reused, and a copy or a restored backup has other ones.

An edit that keeps the length, the first and the last 16 KiB of what was read is not noticed. A gzip file ends with the
checksum of its content, so for that kind the proof covers all of it.
"""

import os
from hashlib import blake2b
from typing import Final

WINDOW: Final = 16 * 1024
_BYTES: Final = 16


class Passed:
    """What was read of a file up to a position: as much of it as the proof needs."""

    def __init__(self, head: bytes = b"", tail: bytes = b"", byte: int = 0) -> None:
        self._head = bytearray(head)
        self._tail = bytearray(tail)
        self._byte = byte

    def add(self, raw: bytes, tail: bytes, size: int) -> None:
        """So many more bytes were read: `raw` is how they begin, `tail` how they end, each with a window or all."""
        self._byte += size
        if len(self._head) < WINDOW:
            self._head += raw[: WINDOW - len(self._head)]
        self._tail += tail[-WINDOW:]
        if len(self._tail) > 16 * WINDOW:  # seldom, because each time the window is moved
            del self._tail[:-WINDOW]

    def proof(self) -> bytes:
        """The proof for the position after the last byte; empty at the start of a file, where nothing was read."""
        if not self._byte:
            return b""
        digest = blake2b(b"%d\n" % self._byte, digest_size=_BYTES)
        digest.update(self._head)
        digest.update(self._tail[-WINDOW:])
        return digest.digest()


def passed(fd: int, byte: int) -> Passed:
    """What a file has before a byte. Raises `OSError`."""
    return Passed(os.pread(fd, min(WINDOW, byte), 0), os.pread(fd, min(WINDOW, byte), max(byte - WINDOW, 0)), byte)
