"""A live table `assessment_aggregator` of Sunbird, read by token ranges as if its archiver had written each to a file.

Cassandra writes the answers as JSON, so the rows need no user-defined types here, and one reader understands both.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from assess_core.adapters.cassandra.connection import Connection, Row
from assess_core.adapters.cassandra.url import parse_cassandra_url
from assess_core.domain.archive_files import ArchiveFile
from assess_core.domain.archive_rows import COLUMNS
from assess_core.domain.spark_csv import written
from assess_core.errors import BadArchives, BadSettings, NotOurTable
from assess_core.ports.archive_files import Content

RANGES: Final = 1024
"""Parts of the ring. Each is read with a few requests, and a journal can remember it."""
_LEAST: Final = -(1 << 63)
_WIDTH: Final = (1 << 64) // RANGES
_PAGE_ROWS: Final = 500
_PAUSE: Final = 0.02  # seconds; shorter pauses are saved up
_SELECT: Final = """
SELECT course_id, batch_id, user_id, content_id, attempt_id, toUnixTimestamp(created_on), grand_total,
    toUnixTimestamp(last_attempted_on), total_max_score, total_score, toUnixTimestamp(updated_on), toJson(question)
FROM {ks}.TABLE WHERE token(user_id, course_id) >= ? AND token(user_id, course_id) <= ?
"""


class TableArchives:
    """`ports.ArchiveFiles` of a table: its "files" are the token ranges. Any thread may use it."""

    def __init__(self, url: str, table: str, rows_per_second: int) -> None:
        """Raises `BadArchives` if the table has another shape, `BadSettings`, `StoreUnavailable`."""
        if not (table.isascii() and table.replace("_", "").isalnum() and len(table) <= 48):
            raise BadArchives(f"--table: {table[:80]!r} is not the name of a table; write e.g. assessment_aggregator")
        self._pace = _Pace(rows_per_second)
        self._select = _SELECT.replace("TABLE", f'"{table}"')
        with _as_option():
            place = parse_cassandra_url(url)
            self._connection = Connection(place)
            try:
                self._connection.prepared(self._select)
            except NotOurTable as error:
                raise BadArchives(
                    f"--cassandra: keyspace {place.keyspace!r} has no table {table!r} as Sunbird's: "
                    f"its key begins with ((user_id, course_id), batch_id, content_id, attempt_id) ({error.__cause__})"
                ) from error
        named = f"cassandra://{place.servers}/{place.keyspace}/{table}"
        self.files = [
            ArchiveFile(f"{named} range {number + 1} of {RANGES}", 0, f"{RANGES} ranges") for number in range(RANGES)
        ]
        self._numbers = {file.url: number for number, file in enumerate(self.files)}

    @contextmanager
    def open(self, file: ArchiveFile) -> Iterator[Content]:
        yield Content(None, self._texts(self._numbers[file.url]))

    def _texts(self, number: int) -> Iterator[bytes]:
        yield written(COLUMNS).encode()
        first = _LEAST + number * _WIDTH
        statement = self._connection.prepared(self._select).bind((first, first + _WIDTH - 1))
        statement.fetch_size = _PAGE_ROWS
        state: bytes | None = None
        while True:
            with _as_option():
                rows, state = self._connection.page(statement, state).rows()
            yield from _lines(rows)
            if state is None:
                return
            self._pace.wait(len(rows))


def _lines(rows: Iterable[Row]) -> Iterator[bytes]:
    return (written("" if value is None else str(value) for value in row).encode() for row in rows)


class _Pace:
    """Limits the rows per second, so that Sunbird's own readers notice nothing."""

    def __init__(self, rows_per_second: int) -> None:
        self._seconds = 1 / rows_per_second
        self._next = time.monotonic()

    def wait(self, rows: int) -> None:
        """Wait as long as these rows should have taken."""
        now = time.monotonic()
        self._next = max(self._next, now - 1) + rows * self._seconds
        if self._next - now > _PAUSE:
            time.sleep(self._next - now)


@contextmanager
def _as_option() -> Iterator[None]:
    """Replace the hot store's setting by --cassandra in error messages."""
    try:
        yield
    except BadSettings as error:
        raise BadSettings(str(error).replace("ASSESS_HOT_STORE", "--cassandra")) from error
