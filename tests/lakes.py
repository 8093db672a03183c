"""How versions get into the stores, and from one tier to the other, without a stream or an archive run."""

from collections.abc import Iterable

import pyarrow as pa

from assess_core.attempts import AttemptVersion
from assess_core.ports import HotStore, Lake
from assess_core.stores.duck import connect
from assess_core.stores.rows import LAKE_SCHEMA, to_batch


def put(lake: Lake, versions: Iterable[AttemptVersion]) -> None:
    """Append versions to a lake as they are, in one commit, whether it has them or not."""
    rows = list(versions)
    with connect() as duck:
        duck.register("hot", pa.Table.from_batches([to_batch(rows)]))
        table = duck.execute("SELECT * REPLACE (question_of(question) AS question) FROM hot").to_arrow_table()
    lake.append(lake.pin(), {row.slice for row in rows}, table.cast(LAKE_SCHEMA).to_reader())


def keep(hot: HotStore, versions: Iterable[AttemptVersion]) -> None:
    """Put versions into a hot store as rows alone."""
    rows = list(versions)
    hot.add_slices({row.slice for row in rows})
    hot.add_rows(rows)


def move(hot: HotStore, lake: Lake, versions: Iterable[AttemptVersion]) -> None:
    """Archive and clear in one go: append versions to the lake, then delete these very rows from the hot store."""
    rows = list(versions)
    put(lake, rows)
    hot.delete([row.row_key for row in rows])
