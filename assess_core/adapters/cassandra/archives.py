"""Copies a live table `assessment_aggregator` of Sunbird into archive files, as Sunbird's archiver would write them.

The table is read by token ranges. An import needs the rows of a week together, because they are in the same files of
the lake, and token ranges have rows of all weeks. So the rows are collected in a folder first, a file for each week.
Cassandra writes the answers as JSON, so no user-defined type is needed here.
"""

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from assess_core.adapters.cassandra.connection import Connection, Row
from assess_core.adapters.cassandra.url import parse_cassandra_url
from assess_core.domain import moments
from assess_core.domain.archive_rows import COLUMNS
from assess_core.domain.slices import IsoWeek
from assess_core.domain.spark_csv import written
from assess_core.errors import BadArchives, BadSettings, NotOurTable

BLOCKS: Final = 64
"""Parts of the table. A part is in the folder as a whole or not at all, and is then not read again."""
_RANGES: Final = 16
"""Token ranges of a block: a range of a large table is read in bounded time."""
_LEAST: Final = -(1 << 63)
_PAGE_ROWS: Final = 500
_PAUSE: Final = 0.02  # seconds; shorter pauses are saved up
_SOURCE: Final = "source.txt"
_UPDATED_ON: Final = COLUMNS.index("updated_on")
_SELECT: Final = """
SELECT course_id, batch_id, user_id, content_id, attempt_id, toUnixTimestamp(created_on), grand_total,
    toUnixTimestamp(last_attempted_on), total_max_score, total_score, toUnixTimestamp(updated_on), toJson(question)
FROM {ks}.TABLE WHERE token(user_id, course_id) >= ? AND token(user_id, course_id) <= ?
"""


class SunbirdTable:
    """A table of Sunbird at `cassandra://...` (see `parse_cassandra_url`)."""

    def __init__(self, url: str, table: str, rows_per_second: int) -> None:
        """Raises `BadArchives` if the table has another shape, `BadSettings`, `StoreUnavailable`."""
        if not (table.isascii() and table.replace("_", "").isalnum() and len(table) <= 48):
            raise BadArchives(f"--table: {table[:80]!r} is not the name of a table; write e.g. assessment_aggregator")
        self._table = table
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
        self.name = f"cassandra://{place.servers}/{place.keyspace}/{table}"

    def copy_to(self, folder: Path, advance: Callable[[], None]) -> None:
        """Write the rows to files in a folder, a file for each block and week. Blocks that are there are not read.

        Raises `BadArchives` if the folder has rows of another table, `StoreUnavailable`, `OSError`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._require_own(folder)
        for block in range(BLOCKS):
            target = folder / f"block-{block + 1}-of-{BLOCKS}"
            if not target.exists():
                partial = folder / f".{target.name}"
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
                for number in range(block * _RANGES, (block + 1) * _RANGES):
                    for rows in self._pages(number):
                        self._append(rows, partial)
                partial.rename(target)
            advance()

    def _require_own(self, folder: Path) -> None:
        source = folder / _SOURCE
        found = source.read_text(encoding="utf-8", errors="replace").strip() if source.exists() else ""
        if found and found != self.name:
            raise BadArchives(f"--copy-to: {str(folder)!r} has rows of {found[:200]}; name another folder")
        if found:
            return
        if any(path != source for path in folder.iterdir()):  # without text, a full disk stopped the line below
            raise BadArchives(f"--copy-to: {str(folder)!r} has other files; name an empty or a new folder")
        source.write_text(f"{self.name}\n", encoding="utf-8")

    def _pages(self, number: int) -> Iterator[list[Row]]:
        width = (1 << 64) // (BLOCKS * _RANGES)
        first = _LEAST + number * width
        statement = self._connection.prepared(self._select).bind((first, first + width - 1))
        statement.fetch_size = _PAGE_ROWS
        state: bytes | None = None
        while True:
            with _as_option():
                rows, state = self._connection.page(statement, state).rows()
            yield rows
            if state is None:
                return
            self._pace.wait(len(rows))

    def _append(self, rows: Iterable[Row], folder: Path) -> None:
        of_week: dict[str, list[str]] = {}
        for row in rows:
            line = written("" if value is None else str(value) for value in row)
            of_week.setdefault(self._file_name(row[_UPDATED_ON]), []).append(line)
        for name, lines in of_week.items():
            with (folder / name).open("a", encoding="utf-8", newline="") as file:
                if not file.tell():
                    file.write(written(COLUMNS))
                file.writelines(lines)

    def _file_name(self, updated_on: int | None) -> str:
        if updated_on is None or not moments.EARLIEST <= updated_on < moments.LATEST:
            return f"{self._table}.csv"
        year, week = IsoWeek.of(updated_on)
        return f"{self._table}-{year}-{week}-0.csv"


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
