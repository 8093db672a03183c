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
        self._head = head
        self._tail = tail
        self._byte = byte
        self._new: list[bytes] = []
        self._new_size = 0

    def add(self, raw: bytes) -> None:
        """More bytes were read."""
        self._new.append(raw)
        self._new_size += len(raw)
        if self._new_size > 16 * WINDOW:  # seldom: this costs 2 us per line, to copy each line costs 7
            self._settle()

    def skip(self, size: int, tail: bytes) -> None:
        """So many more bytes were read; `tail` is how they end, a window or all of them. Some were added before."""
        self._settle()
        self._byte += size
        self._tail = (self._tail + tail)[-WINDOW:]

    def proof(self) -> bytes:
        """The proof for the position after the last byte; empty at the start of a file, where nothing was read."""
        self._settle()
        if not self._byte:
            return b""
        return blake2b(b"%d\n%b%b" % (self._byte, self._head, self._tail), digest_size=_BYTES).digest()

    def _settle(self) -> None:
        new = b"".join(self._new)
        self._head += new[: max(WINDOW - len(self._head), 0)]
        self._tail = (self._tail + new)[-WINDOW:]
        self._byte += len(new)
        self._new, self._new_size = [], 0


def passed(fd: int, byte: int) -> Passed:
    """What a file has before a byte. Raises `OSError`."""
    return Passed(os.pread(fd, min(WINDOW, byte), 0), os.pread(fd, min(WINDOW, byte), max(byte - WINDOW, 0)), byte)
