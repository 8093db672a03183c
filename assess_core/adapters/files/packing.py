"""Writes the texts of a report to a file, in its format: as they are, compressed, in a zip file or in a workbook.

Everything streams, so memory does not grow with the report. No clock gets into a file. `isal` compresses 383 MB/s, zlib
at its default level 33 MB/s.
"""

import hashlib
import stat
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

import isal
from isal import isal_zlib
from stream_zip import ZIP_32, ZIP_64, Method, ZipOverflowError, stream_zip

from assess_core.adapters.files.workbook import SHEET_NAME, parts
from assess_core.domain.completeness import Content
from assess_core.domain.report_formats import Format, Password
from assess_core.errors import BadReport

PACKED: Final = (Format.CSV_GZ, Format.ZIP, Format.XLSX)
"""The compressed formats."""
PACKED_WITH: Final = {"isal": isal.__version__}
"""The version that the bytes of a compressed file depend on, together with the processor."""
_CHUNK: Final = 256 * 1024
_LEVEL: Final = 1
_DATE: Final = datetime(1980, 1, 1)  # the first date that a zip file can have
_MODE: Final = stat.S_IFREG | 0o600


def write_packed(
    texts: Iterable[bytes], target: Path, format: Format, member: str, password: Password | None = None
) -> Content:
    """Write texts to a file; returns their size and digest. `member`: the file's name within a zip file.

    With a password the member is encrypted with AES-256. Raises `BadReport` if a workbook becomes too large.
    """
    measured = _Measured(texts)
    if format is Format.CSV_GZ:
        _write(target, _gzipped(measured))
    elif format is Format.ZIP:
        _write(target, _zipped([(member, ZIP_64, measured)], password))
    elif format is Format.XLSX:
        fixed = [(name, ZIP_32, iter([content])) for name, content in parts()]
        try:
            _write(target, _zipped([*fixed, (SHEET_NAME, ZIP_32, measured)], None))
        except ZipOverflowError as error:
            raise BadReport(["format: the sheet has more than 4 GiB; write format parquet or csv.gz"]) from error
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
            if len(waiting) >= _CHUNK:
                yield self._measure(bytes(waiting))
                waiting.clear()
        if waiting:
            yield self._measure(bytes(waiting))

    def _measure(self, chunk: bytes) -> bytes:
        self.bytes += len(chunk)
        self.digest.update(chunk)
        return chunk


def _compressor(window: int) -> isal_zlib.Compress:
    return isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, window)


def _gzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A gzip file. Its header has neither a time nor a name."""
    compressor = _compressor(16 + isal_zlib.MAX_WBITS)
    for chunk in chunks:
        yield compressor.compress(chunk)
    yield compressor.flush()


def _zipped(members: Iterable[tuple[str, Method, Iterable[bytes]]], password: Password | None) -> Iterable[bytes]:
    return stream_zip(
        ((name, _DATE, _MODE, method, chunks) for name, method, chunks in members),
        chunk_size=_CHUNK,
        get_compressobj=cast("Callable[[], Any]", lambda: _compressor(-isal_zlib.MAX_WBITS)),
        extended_timestamps=False,
        password=password.text if password else None,
    )


def _write(target: Path, chunks: Iterable[bytes]) -> None:
    with target.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
