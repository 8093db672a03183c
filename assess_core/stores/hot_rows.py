"""Hot rows as the lake wants them: slice after slice, by learner, in chunks worth a statement."""

from collections.abc import Iterable, Iterator
from math import inf
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from assess_core.ports import HotStore
from assess_core.slices import ArchiveSlice

_CHUNK_ROWS: Final = 16_384  # a statement costs 1 ms and a pass over what it is compared with
_CHUNK_BYTES: Final = 8 * 1024 * 1024  # bounds memory where rows are large: nested, they take ten times that


def in_order(hot: HotStore, slices: Iterable[ArchiveSlice]) -> Iterator[pa.Table]:
    """The hot rows of slices, in the order given, those of a slice by learner; tables of `HOT_SCHEMA`, none empty."""
    batches = (batch for slice_ in slices for batch in _by_learner(hot, slice_))
    return gathered(batches, rows=_CHUNK_ROWS, size=_CHUNK_BYTES)


def gathered(batches: Iterable[pa.RecordBatch], *, rows: float = inf, size: float = inf) -> Iterator[pa.Table]:
    """Batches put together, each table closed when it has so many rows or so many bytes."""
    kept: list[pa.RecordBatch] = []
    kept_rows = kept_size = 0
    for batch in batches:
        kept.append(batch)
        kept_rows += batch.num_rows
        kept_size += batch.nbytes
        if kept_rows >= rows or kept_size >= size:
            yield pa.Table.from_batches(kept)
            kept, kept_rows, kept_size = [], 0, 0
    if kept:
        yield pa.Table.from_batches(kept)


def _by_learner(hot: HotStore, slice_: ArchiveSlice) -> Iterator[pa.RecordBatch]:
    """The shards of a slice merged: each is in order, and has some learners whole."""
    shards = [(batch for batch in hot.scan(slice_, shard) if batch.num_rows) for shard in range(hot.shards)]
    heads = {number: head for number, shard in enumerate(shards) if (head := next(shard, None)) is not None}
    while heads:
        # up to the least of the heads' last learners every shard has been read
        bound = min(_last(head) for head in heads.values())
        parts = []
        for number, head in list(heads.items()):
            ready = pc.sum(pc.less_equal(head["user_id"], bound)).as_py()
            parts.append(head.slice(0, ready))
            if ready < head.num_rows:
                heads[number] = head.slice(ready)
            elif (following := next(shards[number], None)) is not None:
                heads[number] = following
            else:
                del heads[number]
        merged = pa.concat_batches([part for part in parts if part.num_rows])
        yield merged.take(pc.sort_indices(merged["user_id"]))


def _last(head: pa.RecordBatch) -> str:
    last: str = head["user_id"][-1].as_py()
    return last
