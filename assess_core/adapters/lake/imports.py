"""The Delta table `imports`: which copies came from old archives, and from which line of which file."""

from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.lake.tables import OurTable, translated
from assess_core.ports.lake import ImportedRow

_TIME: Final = pa.timestamp("us", "UTC")
IMPORTS_SCHEMA: Final = pa.schema(
    [
        ("batch_id", pa.string()),
        ("year", pa.int32()),
        ("week", pa.int32()),
        ("content_hash", pa.binary()),
        ("updated_on", _TIME),
        ("source", pa.string()),
        ("line", pa.int64()),
        ("at", _TIME),
    ]
)
_KEY: Final = ["batch_id", "content_hash"]


class ImportsTable:
    """See `ports.lake.Lake.record_imports` and `imports`."""

    def __init__(self, place: Location) -> None:
        self.table = OurTable(place, IMPORTS_SCHEMA, [])

    def append(self, rows: Sequence[ImportedRow]) -> None:
        """Append rows in one commit; the first one creates the table."""
        with translated(self.table.place):
            table = self.table.open() or self.table.create()
            write_deltalake(table, _table(rows), mode="append")

    def read(self) -> Iterator[pa.RecordBatch]:
        """The columns of a version in all rows."""
        place = self.table.place
        with translated(place):
            table = self.table.open()
            if table is None:
                return
            names = [unquote(path) for path in pa.table(table.get_add_actions(flatten=True))["path"].to_pylist()]
            for source in place.sources(names):
                with pq.ParquetFile(source) as file:
                    yield from file.iter_batches(columns=_KEY)


def _table(rows: Sequence[ImportedRow]) -> pa.Table:
    values = (
        (
            row.slice.batch_id, *row.slice.week, row.content_hash, row.received_at * 1000, row.source, row.line,
            row.at * 1000,
        )
        for row in rows
    )  # fmt: skip
    columns = zip(*values, strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, IMPORTS_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=IMPORTS_SCHEMA)
