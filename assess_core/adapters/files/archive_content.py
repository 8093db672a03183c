"""Reads old archives: plain CSV, and gzip files of which some were cut or damaged by the program that copied them."""

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Final, cast

from isal import isal_zlib

from assess_core.errors import BadArchives
from assess_core.ports.archive_files import Content

_READ: Final = 64 * 1024
_CHUNK: Final = 1024 * 1024  # a compressed chunk can stand for a thousand times as many bytes
_GZIP: Final = 16 + isal_zlib.MAX_WBITS
_Damaged: Final = cast("type[Exception]", isal_zlib.IsalError)  # its stub declares an instance
_MAGIC: Final = b"\x1f\x8b"


class _Ending(Enum):
    """How a gzip file ends."""

    WHOLE = None
    CUT = "the file was cut: it ends before its compressed data does; copy it again, its rows before the cut are read"
    DAMAGED = "the file is damaged: its compressed data is wrong; copy it again, none of its rows is read"
    OTHER = "the file is not compressed by gzip, although its name ends in .gz; rename or copy it again"


def content_of(path: Path, name: str) -> Content:
    """The content of a file that has this name. A gzip file is read twice, because its checksum is at its end.

    Raises `OSError`.
    """
    if not name.endswith(".gz"):
        return Content(None, _plain(path))
    ending = _ending(path)
    trusted = ending in (_Ending.WHOLE, _Ending.CUT)
    return Content(ending.value, _Members(path).chunks() if trusted else None)


def _plain(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise BadArchives(
            f"{str(path)!r} cannot be read: {error.strerror}; check its disk, then import again"
        ) from error


def _ending(path: Path) -> _Ending:
    reading = _Members(path)
    try:
        for _ in reading.chunks():
            pass
    except _Damaged:
        return _Ending.DAMAGED
    if not reading.is_gzip:
        return _Ending.OTHER
    return _Ending.WHOLE if reading.ended else _Ending.CUT


class _Members:
    """The members of a gzip file, one after the other: Hadoop joins compressed parts to one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.ended = False
        """Whether the last member that was read is complete."""
        self.is_gzip = True
        """Whether the file begins as gzip does."""

    def chunks(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            self.is_gzip = file.read(len(_MAGIC)) in (_MAGIC, _MAGIC[:1], b"")  # the rest can have been cut
            file.seek(0)
            member, waiting = isal_zlib.decompressobj(wbits=_GZIP), b""
            while self.is_gzip:
                waiting = waiting or file.read(_READ)
                if not waiting:
                    return
                if member.eof:
                    waiting = waiting.lstrip(b"\0")  # some tools fill the last block
                    if not waiting:
                        continue
                    if not waiting.startswith(_MAGIC[:1]):
                        raise _Damaged("text after the compressed data")
                    member, self.ended = isal_zlib.decompressobj(wbits=_GZIP), False
                chunk = member.decompress(waiting, _CHUNK)
                waiting = member.unused_data if member.eof else member.unconsumed_tail
                self.ended = bool(member.eof)
                if chunk:
                    yield chunk
