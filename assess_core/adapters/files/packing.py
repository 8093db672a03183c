"""Writes the texts of a report to a file, in its format: as they are, compressed, in a zip file or in a workbook.

Everything streams, so memory does not grow with the report. No clock gets into a file.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from isal import isal_zlib

from assess_core.adapters.files.compressing import CHUNK, compressor
from assess_core.domain.completeness import Content
from assess_core.domain.report_formats import Format, Password

PACKED: Final = (Format.CSV_GZ, Format.ZIP, Format.XLSX)
"""The compressed formats."""


def write_packed(
    texts: Iterable[bytes], target: Path, format: Format, member: str, password: Password | None = None
) -> Content:
    """Write texts to a file; returns their size and digest. `member`: the file's name within a zip file.

    With a password the member is encrypted with AES-256. Raises `BadReport` if a workbook becomes too large.
    """
    measured = _Measured(texts)
    if format is Format.CSV_GZ:
        _write(target, _gzipped(measured))
    elif format in (Format.ZIP, Format.XLSX):
        # every command that reads the lake imports this module, and the packages for zip files take 40 ms
        from assess_core.adapters.files.zipping import workbook, zipped

        _write(target, zipped(measured, member, password) if format is Format.ZIP else workbook(measured))
    else:
        _write(target, measured)
    return Content(measured.bytes, measured.digest.hexdigest())


class _Measured:
    """Joins texts into chunks, and measures them."""

    def __init__(self, texts: Iterable[bytes]) -> None:
        self._texts = texts
        self.bytes = 0
        self.digest = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        waiting = bytearray()
        for text in self._texts:
            waiting += text
            if len(waiting) >= CHUNK:
                yield self._measure(bytes(waiting))
                waiting.clear()
        if waiting:
            yield self._measure(bytes(waiting))

    def _measure(self, chunk: bytes) -> bytes:
        self.bytes += len(chunk)
        self.digest.update(chunk)
        return chunk


def _gzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A gzip file. Its header has neither a time nor a name."""
    compressing = compressor(16 + isal_zlib.MAX_WBITS)
    for chunk in chunks:
        yield compressing.compress(chunk)
    yield compressing.flush()


def _write(target: Path, chunks: Iterable[bytes]) -> None:
    with target.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
