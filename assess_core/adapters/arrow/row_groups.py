"""Writes Parquet in row groups that depend on the rows alone: how the rows arrive does not change the bytes."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assess_core.chunks import bounded

ROW_GROUPS_WITH: Final = {"pyarrow": pa.__version__}
"""The version that the bytes of these files depend on."""
_ROWS: Final = 2048
"""A portion has a multiple of these rows, except the last one."""
_PORTION_ROWS: Final = 8 * _ROWS
_PORTION_BYTES: Final = 8 * 1024 * 1024
"""The bytes of the texts of a portion; it ends with the rows that reach them. Then it stores equal texts once."""
_GROUP_PORTIONS: Final = 8
_GROUP_BYTES: Final = 16 * 1024 * 1024
"""The bytes of the texts that the portions of a row group store; it ends with the portion that reaches them.

A row group is in memory as a whole, so it cannot be larger. It should not be smaller: the writer keeps 16 kB for each
until it writes the footer, and needs another 23 kB then."""


def write_row_groups(tables: Iterable[pa.Table], target: Path, metadata: Mapping[str, str]) -> int:
    """Write the rows of some tables, at least one; returns their number."""
    rows = 0
    portions = map(_texts_stored_once, _portions(tables))
    groups = map(_group, bounded(portions, _GROUP_PORTIONS, _stored_bytes, _GROUP_BYTES))
    group = next(groups)
    # the types of Parquet say all; Arrow's own schema would be one more thing that the bytes depend on
    with pq.ParquetWriter(target, group.schema, compression="zstd", store_schema=False) as writer:
        writer.add_key_value_metadata(dict(metadata))
        while group is not None:
            writer.write_table(group, row_group_size=_GROUP_PORTIONS * _PORTION_ROWS)
            rows += group.num_rows
            del group  # before the next one is in memory
            group = next(groups, None)
    return rows


def _group(portions: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(portions).unify_dictionaries()


def _portions(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    equal = _of_equal_size(tables)
    return map(pa.concat_tables, bounded(equal, _PORTION_ROWS // _ROWS, _text_bytes, _PORTION_BYTES))


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


def _texts_stored_once(portion: pa.Table) -> pa.Table:
    columns = [column.dictionary_encode() if pa.types.is_string(column.type) else column for column in portion.columns]
    return pa.table(columns, portion.column_names)


def _text_bytes(table: pa.Table) -> int:
    """The bytes of all texts: unlike the size of the buffers, it depends on the values alone."""
    return sum(_bytes_of(column) for column in table.columns if pa.types.is_string(column.type))


def _stored_bytes(portion: pa.Table) -> int:
    """The bytes of the different texts of each column."""
    chunks = (column.chunks[:1] for column in portion.columns if pa.types.is_dictionary(column.type))
    return sum(_bytes_of(chunk.dictionary) for [chunk] in filter(None, chunks))  # all chunks have the same dictionary


def _bytes_of(texts: pa.Array | pa.ChunkedArray) -> int:
    size: int = pc.sum(pc.binary_length(texts)).as_py() or 0
    return size
