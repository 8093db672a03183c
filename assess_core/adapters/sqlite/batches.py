"""Rows of the embedded hot store as Arrow batches. Imported at the first scan: pyarrow takes 0.2 s to import."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from assess_core.adapters.arrow.rows import HOT_SCHEMA, KEY_SCHEMA
from assess_core.domain.slices import ArchiveSlice

_TIMES: Final = pa.timestamp("ms", "UTC")


def to_batch(slice_: ArchiveSlice, rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
    """Rows of a scan of a slice as a batch of `HOT_SCHEMA`. Raises `sqlite3.Error` if answers are not UTF-8."""
    (year, week), batch_id = slice_
    *key, hash_, score, max_score, total, received_at, has_answers, question = zip(*rows, strict=True)
    try:
        texts = pa.array(question, pa.binary()).cast(pa.string())
    except pa.ArrowInvalid as error:
        damaged = sqlite3.DatabaseError("answers are not valid UTF-8")
        damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damaged from error
    columns = (
        *(pa.repeat(value, len(rows)) for value in (batch_id, year, week)),
        *key,
        pc.not_equal(texts, "[]") if has_answers[0] is None else has_answers,
        *(hash_, score, max_score, total, received_at, texts),
    )
    return _batch(columns, HOT_SCHEMA)


def keys_batch(slice_: ArchiveSlice, rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
    """Rows of a scan of the keys of a slice as a batch of `KEY_SCHEMA`."""
    *key, _ = zip(*rows, strict=True)
    return _batch((pa.repeat(slice_.batch_id, len(rows)), *key), KEY_SCHEMA)


def _batch(columns: Sequence[pa.Array | Sequence[Any]], schema: pa.Schema) -> pa.RecordBatch:
    arrays = [_array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(column: pa.Array | Sequence[Any], type_: pa.DataType) -> pa.Array:
    if isinstance(column, pa.Array):
        return column.cast(type_)
    if pa.types.is_timestamp(type_):
        return pa.array(column, _TIMES).cast(type_)
    if pa.types.is_boolean(type_):
        return pa.array(column, pa.int8()).cast(type_)
    return pa.array(column, type_)
