"""Zip files and workbooks as streams. A member can be encrypted with AES-256."""

import stat
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Final, cast

from isal import isal_zlib
from stream_zip import ZIP_32, ZIP_64, Method, ZipOverflowError, stream_zip

from assess_core.adapters.files.compressing import CHUNK, compressor
from assess_core.adapters.files.workbook import SHEET_NAME, parts
from assess_core.domain.report_formats import Password
from assess_core.errors import BadReport

_DATE: Final = datetime(1980, 1, 1)  # the first date that a zip file can have
_MODE: Final = stat.S_IFREG | 0o600


def zipped(chunks: Iterable[bytes], member: str, password: Password | None) -> Iterable[bytes]:
    """A zip file with one member."""
    return _zipped([(member, ZIP_64, chunks)], password)


def workbook(sheet: Iterable[bytes]) -> Iterator[bytes]:
    """A workbook with this XML of its sheet. Raises `BadReport` if it becomes too large."""
    fixed = [(name, ZIP_32, iter([content])) for name, content in parts()]
    try:
        yield from _zipped([*fixed, (SHEET_NAME, ZIP_32, sheet)], None)
    except ZipOverflowError as error:
        raise BadReport(["format: the sheet has more than 4 GiB; write format parquet or csv.gz"]) from error


def _zipped(members: Iterable[tuple[str, Method, Iterable[bytes]]], password: Password | None) -> Iterable[bytes]:
    return stream_zip(
        ((name, _DATE, _MODE, method, chunks) for name, method, chunks in members),
        chunk_size=CHUNK,
        get_compressobj=cast("Callable[[], Any]", lambda: compressor(-isal_zlib.MAX_WBITS)),
        extended_timestamps=False,
        password=password.text if password else None,
    )
