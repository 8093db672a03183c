"""Use case: write a report file for a batch. The same input gives the same bytes, whichever tier has the rows.

CSV: RFC 4180 with `\\n` line ends, UTF-8. Moments are ISO 8601 in UTC with milliseconds (`2024-12-30T23:59:59.999Z`).
A number is the shortest text that reads back as the same number; whole numbers end in `.0`. Null is empty, an empty
text is `""`. Cells hold the bytes that learners sent, unless the report is for a spreadsheet program.
Parquet: moments and numbers keep their types.
Rows are ordered by learner, course, question set, attempt and question id, compared as UTF-8 bytes.
"""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from assess_core.errors import UnknownBatch
from assess_core.ports.reports import Format, Report, ReportOutput, Union
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import known


class Exhaust(NamedTuple):
    """A report that was written."""

    path: str
    """An absolute path, or an s3:// URL."""
    rows: int
    attempts: int
    bytes: int
    seconds: float
    lake_version: int
    """The Delta version of `attempts` that was read; -1 if there is no table."""


_NAME_BYTES: Final = 255  # the limit of file systems


def write_exhaust(
    stores: Stores,
    batch_id: str,
    report: Report,
    format: Format = Format.CSV,
    course_id: str | None = None,
    output: ReportOutput | None = None,
    *,
    spreadsheet: bool = False,
    look: Callable[[Path], None] | None = None,
) -> Exhaust:
    """Write the report of a batch, or of one of its courses, to `output` or to the folder of exhausts.

    `spreadsheet`: write a CSV that a spreadsheet program opens without damage (docs/formats.md).

    The file appears whole or not at all. `look` is called with a complete local copy just before the file appears. The
    report of a batch without attempts has only a header. Raises `UnknownBatch`, `ReportFailed`, `StoreUnavailable`.
    """
    started = time.perf_counter()
    for id_ in (batch_id, course_id or ""):
        if not _is_text(id_):  # a shell passes invalid UTF-8 as surrogates
            raise UnknownBatch(f"no store knows {id_!r}, which is not UTF-8; `assess slices` lists the batches")
    name = f"{report}-exhaust/{file_name(batch_id, course_id, format)}"
    with stores.union(batch_id=batch_id) as union:
        attempts = union.count_attempts(course_id)
        if not attempts and not _is_known(stores, union, batch_id):
            raise UnknownBatch(f"no store knows batch {batch_id!r}; `assess slices` lists the batches")
        with output.write() if output else stores.exhausts.atomic_write(name) as temporary:
            rows = union.write_report(report, format, temporary, course_id, spreadsheet)
            size = temporary.stat().st_size
            if look is not None:
                look(temporary)
    path = output.path if output else stores.exhausts.path(name)
    return Exhaust(path, rows, attempts, size, time.perf_counter() - started, union.lake_version)


def file_name(batch_id: str, course_id: str | None, format: Format) -> str:
    """A file name of at most 255 bytes that no other batch, course or format has.

    Ids are percent-encoded, including a leading dot. `@` precedes the course. `+` precedes the hash that replaces the
    end of a long name. A percent-encoded id contains neither of them.
    """
    ids = [batch_id] if course_id is None else [batch_id, course_id]
    name = "@".join(_encoded(id_) for id_ in ids)
    ending = f".{format}"
    if len(name) + len(ending) > _NAME_BYTES:
        digest = hashlib.sha256(name.encode()).hexdigest()
        name = f"{name[: _NAME_BYTES - len(ending) - len(digest) - 1]}+{digest}"
    return name + ending


def _is_text(id_: str) -> bool:
    try:
        id_.encode()
    except UnicodeEncodeError:
        return False
    return True


def _encoded(id_: str) -> str:
    text = quote(id_, safe="")
    return "%2E" + text[1:] if text.startswith(".") else text


def _is_known(stores: Stores, union: Union, batch_id: str) -> bool:
    return bool(known(stores, batch_id)) or not union.is_empty()
