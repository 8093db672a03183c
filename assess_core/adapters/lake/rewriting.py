"""Rewrite a week of the lake into a temporary file: each copy once, ordered by batch, then learner."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from assess_core.adapters.arrow.rows import LAKE_SCHEMA
from assess_core.adapters.duckdb.connection import UNREADABLE, connect, literal, parquet
from assess_core.adapters.duckdb.location import location_of
from assess_core.adapters.files.temporary import temporary_folder
from assess_core.adapters.lake.copies import unreadable
from assess_core.adapters.lake.locations import Folder
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.ports.lake import LakeFile, Named, Pinned

COPY: Final = "batch_id, user_id, content_hash, updated_on"
ORDER: Final = "batch_id, user_id, course_id, content_id, attempt_id, last_attempted_on, content_hash, updated_on"
_COLUMNS: Final = ", ".join(LAKE_SCHEMA.names)
_NAMES: Final = (("user_id", "users"), ("content_id", "contents"))
GROUP_ROWS: Final = 8192
"""Rows in a row group of the draft, and in a batch that is read from it."""


class Draft(NamedTuple):
    """The port `Pinned` for a rewritten week that does not belong to the lake yet."""

    version: int
    place: Folder
    file: LakeFile
    schema: pa.Schema = LAKE_SCHEMA

    def files(self, weeks: Collection[IsoWeek] | None = None) -> list[LakeFile]:
        return [self.file] if weeks is None or self.file.week in weeks else []

    def rows(self) -> pa.RecordBatchReader:
        """All rows, as the schema."""
        names = self.schema.names

        def batches() -> Iterator[pa.RecordBatch]:
            with pq.ParquetFile(self.file.url) as file:
                for batch in file.iter_batches(GROUP_ROWS):
                    yield from pa.Table.from_batches([batch]).select(names).cast(self.schema).to_batches()

        return pa.RecordBatchReader.from_batches(self.schema, batches())


def slices_in(pinned: Pinned, week: IsoWeek) -> list[ArchiveSlice]:
    """See `lake.Lake.slices`."""
    if not pinned.files([week]):
        return []
    with _week(pinned, week) as (duck, rows):
        found = duck.execute(f"SELECT DISTINCT batch_id FROM {rows} ORDER BY batch_id").fetchall()
    return [ArchiveSlice(week, batch_id) for (batch_id,) in found]


def naming(
    pinned: Pinned, week: IsoWeek, user_ids: Collection[str], content_ids: Collection[str]
) -> dict[ArchiveSlice, Named]:
    """See `lake.Lake.naming`."""
    if not pinned.files([week]):
        return {}
    asked = {"users": sorted(user_ids), "contents": sorted(content_ids)}
    of_users, of_contents = (f"{column} IN (SELECT unnest(${name}::VARCHAR[]))" for column, name in _NAMES)
    with _week(pinned, week) as (duck, rows):
        found = duck.execute(
            f"""SELECT batch_id, list(DISTINCT user_id) FILTER ({of_users}),
                list(DISTINCT content_id) FILTER ({of_contents})
            FROM {rows} WHERE {of_users} OR {of_contents} GROUP BY batch_id""",
            asked,
        ).fetchall()
    return {
        ArchiveSlice(week, batch_id): Named(frozenset(users or ()), frozenset(contents or ()))
        for batch_id, users, contents in found
    }


def repeated(pinned: Pinned, week: IsoWeek) -> int:
    """See `lake.Lake.repeated`."""
    with _week(pinned, week) as (duck, rows):
        [found] = duck.execute(f"SELECT count(*) - count(DISTINCT ({COPY})) FROM {rows}").fetchall()
    return int(found[0])


@contextmanager
def rewritten(
    pinned: Pinned, week: IsoWeek, without: Collection[ArchiveSlice], without_learners: Collection[str]
) -> Iterator[Draft]:
    """See `lake.Lake.rewritten`. The file is deleted when the block ends."""
    with temporary_folder("assess-compact-") as folder:
        target = Path(folder) / "draft.parquet"
        with _week(pinned, week) as (duck, rows):
            left_out = pa.array(sorted(slice_.batch_id for slice_ in without), pa.string())
            duck.register("left_out", pa.table({"batch_id": left_out}))
            duck.register("erased", pa.table({"user_id": pa.array(sorted(without_learners), pa.string())}))
            # pick the rows by their narrow columns: a window over rows with `question` takes four times as long
            duck.execute(
                f"""COPY (
                    SELECT {_COLUMNS} FROM {rows} WHERE (file_index, file_row_number) IN (
                        SELECT (file_index, file_row_number)
                        FROM {rows} ANTI JOIN left_out USING (batch_id) ANTI JOIN erased USING (user_id)
                        QUALIFY row_number() OVER (PARTITION BY {COPY} ORDER BY file_index, file_row_number) = 1
                    ) ORDER BY {ORDER}
                ) TO {literal(str(target))} (FORMAT parquet, ROW_GROUP_SIZE {GROUP_ROWS}, USE_TMP_FILE false)"""
            )
        size = target.stat().st_size
        yield Draft(pinned.version, Folder(Path(folder)), LakeFile(str(target), week, count_rows(target), size))


def count_rows(path: Path) -> int:
    """The number of rows in a Parquet file."""
    with pq.ParquetFile(path) as file:
        return int(file.metadata.num_rows)


@contextmanager
def _week(pinned: Pinned, week: IsoWeek) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    """A connection, and the rows of the week as a table expression."""
    files = pinned.files([week])
    with connect(location_of(pinned), size=sum(file.bytes for file in files)) as duck:
        try:
            yield duck, parquet(files, place=True)
        except UNREADABLE as error:
            raise unreadable(duck, location_of(pinned), files, error) from error
