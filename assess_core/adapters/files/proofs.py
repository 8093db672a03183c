"""Proofs that a file is still the one that was read.

A proof is a digest of the first and the last 16 KiB before the position. A check takes two short reads per file of any
size, at start-up and when a file changed. A digest of all bytes would read gigabytes again at each start. Inode and
time are not compared: inodes are reused, and a copy or a restored backup has different ones.

An edit is not detected if it keeps the length and these 16 KiB at both ends. A gzip file ends with the checksum of its
content, so its proof covers the whole content.
"""

import os
from hashlib import blake2b
from typing import Final

WINDOW: Final = 16 * 1024
_BYTES: Final = 16


class ProofInput:
    """The bytes before a position that its proof needs."""

    def __init__(self, head: bytes = b"", tail: bytes = b"", byte: int = 0) -> None:
        self._head = head
        self._tail = tail
        self._byte = byte
        self._new: list[bytes] = []
        self._new_size = 0

    def add(self, raw: bytes) -> None:
        """Add the next bytes that were read."""
        self._new.append(raw)
        self._new_size += len(raw)
        if self._new_size > 16 * WINDOW:  # seldom: this takes 2 us per line; copying each line takes 7 us
            self._combine()

    def skip(self, size: int, tail: bytes) -> None:
        """Add `size` bytes that end with `tail`, a window or all of them. The file's start must be added before."""
        self._combine()
        self._byte += size
        self._tail = (self._tail + tail)[-WINDOW:]

    def proof(self) -> bytes:
        """The proof for the position after the last byte; empty if no byte was read."""
        self._combine()
        if not self._byte:
            return b""
        return blake2b(b"%d\n%b%b" % (self._byte, self._head, self._tail), digest_size=_BYTES).digest()

    def _combine(self) -> None:
        new = b"".join(self._new)
        self._head += new[: max(WINDOW - len(self._head), 0)]
        self._tail = (self._tail + new)[-WINDOW:]
        self._byte += len(new)
        self._new, self._new_size = [], 0


def proof_input(fd: int, byte: int) -> ProofInput:
    """Read what the proof of a file's first `byte` bytes needs. Raises `OSError`."""
    return ProofInput(os.pread(fd, min(WINDOW, byte), 0), os.pread(fd, min(WINDOW, byte), max(byte - WINDOW, 0)), byte)
