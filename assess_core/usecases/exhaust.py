"""Use case: write a report file. The same input gives the same bytes, whichever tier has the rows.

CSV: RFC 4180 with `\\n` line ends, UTF-8. Moments are ISO 8601 in UTC with milliseconds (`2024-12-30T23:59:59.999Z`).
A number is the shortest text that reads back as the same number; whole numbers end in `.0`. Null is empty, an empty
text is `""`. Cells hold the bytes that learners sent, unless the report is for a spreadsheet program.
Parquet: moments and numbers keep their types.
Rows have the order that the report declares; texts are compared as UTF-8 bytes.
"""

import hashlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from assess_core.domain.report_spec import ReportSpec
from assess_core.errors import UnknownBatch
from assess_core.ports.reports import ReportOutput, Union
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
_NAMED: Final = 5
"""Batches that a message names."""


def write_exhaust(
    stores: Stores, spec: ReportSpec, output: ReportOutput | None = None, *, look: Callable[[Path], None] | None = None
) -> Exhaust:
    """Write a report to `output` or to the folder of exhausts.

    The file appears whole or not at all. `look` is called with a complete local copy just before the file appears. A
    report without attempts has only a header. Raises `UnknownBatch`, `BadReport`, `ReportFailed`, `StoreUnavailable`.
    """
    started = time.perf_counter()
    name = f"{spec.report}-exhaust/{file_name(spec)}"
    batches = spec.batches if spec.batch_pattern is None else _matching(stores, spec)
    with stores.union(batches=batches) as union:
        attempts = union.count_attempts(spec)
        _require_known(stores, union, batches)
        with output.write() if output else stores.exhausts.atomic_write(name) as temporary:
            rows = union.write_report(spec, temporary)
            size = temporary.stat().st_size
            if look is not None:
                look(temporary)
    path = output.path if output else stores.exhausts.path(name)
    return Exhaust(path, rows, attempts, size, time.perf_counter() - started, union.lake_version)


def file_name(spec: ReportSpec) -> str:
    """A file name of at most 255 bytes that no report with another content has.

    Ids are percent-encoded, including a leading dot. `@` precedes the course. `+` precedes the digits that stand for
    other filters, or for the end of a long name. A percent-encoded id contains neither of them.
    """
    ids = [*spec.batches] if len(spec.batches) == 1 else ["batches"]
    if spec.course is not None:
        ids.append(spec.course)
    name = "@".join(_encoded(id_) for id_ in ids)
    ending = f".{spec.format}"
    if len(spec.batches) != 1 or spec.is_filtered:
        ending = f"+{spec.digest}{ending}"
    if len(name) + len(ending) > _NAME_BYTES:
        digest = hashlib.sha256(name.encode()).hexdigest()
        name = f"{name[: _NAME_BYTES - len(ending) - len(digest) - 1]}+{digest}"
    return name + ending


def _encoded(id_: str) -> str:
    text = quote(id_, safe="")
    return "%2E" + text[1:] if text.startswith(".") else text


def _matching(stores: Stores, spec: ReportSpec) -> list[str]:
    """The batches that the pattern matches, sorted. Raises `UnknownBatch` if there is none."""
    slices = (*stores.hot.slices(), *stores.lake.recorded(None, None))
    found = sorted(batch_id for batch_id in {slice_.batch_id for slice_ in slices} if spec.matches(batch_id))
    if not found:
        raise UnknownBatch(f"no batch matches {spec.batch_pattern!r}; `assess slices` lists the batches")
    return found


def _require_known(stores: Stores, union: Union, batches: Iterable[str]) -> None:
    """Raise `UnknownBatch` for batches without a row that neither the hot store nor the manifest knows."""
    without_rows = set(batches) - union.batches()
    if unknown := sorted(batch_id for batch_id in without_rows if not known(stores, batch_id)):
        named = ", ".join(map(repr, unknown[:_NAMED]))
        if len(unknown) > _NAMED:
            named += f" and {len(unknown) - _NAMED} more"
        raise UnknownBatch(f"no store knows batch {named}; `assess slices` lists the batches")
