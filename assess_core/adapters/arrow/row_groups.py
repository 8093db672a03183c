"""Writes Parquet in row groups of a fixed number of rows: the bytes do not depend on how the rows arrive."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUPS_WITH: Final = {"pyarrow": pa.__version__}
"""The version that the bytes of these files depend on."""
_ROWS: Final = 20_480
"""The rows of a row group. All of them are in memory at once."""


def write_row_groups(tables: Iterable[pa.Table], target: Path, metadata: Mapping[str, str]) -> int:
    """Write the rows of some tables, at least one; returns their number."""
    rows = 0
    groups = _groups(tables)
    first = next(groups)
    # the types of Parquet say all; Arrow's own schema would be one more thing that the bytes depend on
    with pq.ParquetWriter(target, first.schema, compression="zstd", store_schema=False) as writer:
        writer.add_key_value_metadata(dict(metadata))
        for group in chain((first,), groups):
            writer.write_table(group, row_group_size=_ROWS)
            rows += group.num_rows
    return rows


def _groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of one chunk with `_ROWS` rows; the last one has fewer, maybe none."""
    held: pa.Table | None = None
    for table in tables:
        held = table if held is None else pa.concat_tables([held, table])
        while held.num_rows >= _ROWS:
            yield held.slice(0, _ROWS).combine_chunks()
            held = held.slice(_ROWS)
    if held is not None:
        yield held.combine_chunks()
