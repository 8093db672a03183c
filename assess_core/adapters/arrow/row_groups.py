"""Writes Parquet in row groups that depend on the rows alone: how the rows arrive does not change the bytes."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assess_core.chunks import bounded

ROW_GROUPS_WITH: Final = {"pyarrow": pa.__version__}
"""The version that the bytes of these files depend on."""
_ROWS: Final = 2048
"""A row group has a multiple of these rows, except the last one."""
_MOST_ROWS: Final = 60 * _ROWS
_MOST_BYTES: Final = 16 * 1024 * 1024
"""The bytes of the texts of a row group, which is in memory as a whole; it ends with the rows that reach them."""


def write_row_groups(tables: Iterable[pa.Table], target: Path, metadata: Mapping[str, str]) -> int:
    """Write the rows of some tables, at least one; returns their number."""
    rows = 0
    equal = _of_equal_size(tables)
    groups = map(pa.concat_tables, bounded(equal, _MOST_ROWS // _ROWS, _text_bytes, _MOST_BYTES))
    first = next(groups)
    # the types of Parquet say all; Arrow's own schema would be one more thing that the bytes depend on
    with pq.ParquetWriter(target, first.schema, compression="zstd", store_schema=False) as writer:
        writer.add_key_value_metadata(dict(metadata))
        for group in chain((first,), groups):
            writer.write_table(group, row_group_size=_MOST_ROWS)
            rows += group.num_rows
    return rows


def _of_equal_size(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of one chunk with `_ROWS` rows; the last one has fewer, maybe none."""
    held: pa.Table | None = None
    for table in tables:
        held = table if held is None else pa.concat_tables([held, table])
        while held.num_rows > _ROWS:
            yield held.slice(0, _ROWS).combine_chunks()
            held = held.slice(_ROWS)
    if held is not None:
        yield held.combine_chunks()


def _text_bytes(table: pa.Table) -> int:
    """The bytes of all texts: unlike the size of the buffers, it depends on the values alone."""
    return sum(
        pc.sum(pc.binary_length(column)).as_py() or 0 for column in table.columns if pa.types.is_string(column.type)
    )
