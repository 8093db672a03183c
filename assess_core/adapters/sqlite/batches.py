"""Rows of the embedded hot store as Arrow batches. Imported at the first scan: pyarrow takes 0.2 s to import."""

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from assess_core.adapters.arrow.rows import HOT_SCHEMA

_TIMES: Final = pa.timestamp("ms", "UTC")


def to_batch(rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
    """Rows of a scan as a batch of `HOT_SCHEMA`."""
    columns = zip(*rows, strict=True)
    return pa.RecordBatch.from_arrays(
        [_array(column, field.type) for column, field in zip(columns, HOT_SCHEMA, strict=True)], schema=HOT_SCHEMA
    )


def _array(column: Sequence[Any], type_: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(type_):
        return pa.array(column, _TIMES).cast(type_)
    if pa.types.is_boolean(type_):
        return pa.array(column, pa.int8()).cast(type_)
    return pa.array(column, type_)
