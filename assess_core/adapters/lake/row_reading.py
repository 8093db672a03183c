"""The rows of slices in the lake's files, as versions, in chunks of bounded size."""

from collections.abc import Collection, Iterator
from typing import Final

import pyarrow as pa

from assess_core.adapters.duckdb.connection import UNREADABLE, connect, parquet
from assess_core.adapters.duckdb.location import location_of
from assess_core.adapters.duckdb.questions import ROW, to_version
from assess_core.adapters.lake.copies import unreadable
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.lake import Pinned

_ROWS: Final = 1000
# sorting rows with answers would take ten times as long, and files have the order of learners within a batch
_WITHOUT_ANSWERS: Final = (ROW.replace("text_of(question)", "''"), "ORDER BY user_id")


def read_rows(pinned: Pinned, slices: Collection[ArchiveSlice], *, answers: bool) -> Iterator[list[AttemptVersion]]:
    """See `lake.Lake.rows`."""
    files = pinned.files({slice_.week for slice_ in slices})
    if not files:
        return
    columns, order = (ROW, "") if answers else _WITHOUT_ANSWERS
    time = pa.timestamp("us", "UTC")
    with connect(location_of(pinned), size=sum(file.bytes for file in files)) as duck:
        asked = sorted(set(slices))
        wanted = {
            "batch_id": pa.array([slice_.batch_id for slice_ in asked], pa.string()),
            "first": pa.array([slice_.week.start * 1000 for slice_ in asked], time),
            "past": pa.array([slice_.week.end * 1000 for slice_ in asked], time),
        }
        duck.register("wanted", pa.table(wanted))
        try:
            duck.execute(
                f"{columns} FROM {parquet(files)} JOIN wanted USING (batch_id) "
                f"WHERE updated_on >= first AND updated_on < past {order}"
            )
            names = [column[0] for column in duck.description or ()]
            while rows := duck.fetchmany(_ROWS):
                yield [to_version(dict(zip(names, row, strict=True))) for row in rows]
        except UNREADABLE as error:
            raise unreadable(duck, location_of(pinned), files, error) from error
