"""A page of a batch's attempts, read by key: the cost grows with the page, not with the batch."""

from collections.abc import Collection, Iterable
from itertools import groupby
from operator import attrgetter
from typing import Final

from assess_core.adapters.duckdb.connection import connect, parquet
from assess_core.adapters.duckdb.location import location_of
from assess_core.adapters.duckdb.questions import ROW, to_version
from assess_core.adapters.duckdb.union import DuckUnion
from assess_core.domain.attempts import AttemptKey, AttemptVersion, page_order
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.ports.hot_store import AttemptRange, HotStore
from assess_core.ports.lake import Lake
from assess_core.ports.pinning import pin_needed

_PARTS: Final = ("user_id", "course_id", "content_id", "attempt_id")
"""A key without its batch, which is the same on the whole page."""
_KEYS_AT_FIRST: Final = 8
"""Lake rows read per attempt of the page before the read is repeated with more: an attempt may have many versions."""


def read_page(hot: HotStore, lake: Lake, batch_id: str, asked: AttemptRange) -> list[AttemptVersion]:
    """See `ports.Unions.page`."""
    # hot first, then the lake (rule 4). Each tier gives all rows of its first `limit` keys, so the first `limit` keys
    # of both together are complete
    slices = hot.slices(batch_id=batch_id)
    hot_rows = hot.rows_after(slices, asked)
    pinned = pin_needed(hot, lake)
    if not (files := pinned.files(_weeks_of(slices, lake, batch_id))):
        return _newest(hot_rows)[: asked.limit]
    place, size = location_of(pinned), sum(file.bytes for file in files)
    with connect(place, size=size) as duck:
        batch = _LakeBatch(DuckUnion(duck, pinned, files), f"FROM {parquet(files)}", batch_id, asked)
        lake_rows = batch.rows(until=_last_learner(hot_rows, asked.limit))
    return _newest([*hot_rows, *lake_rows])[: asked.limit]


def _weeks_of(listed: Iterable[ArchiveSlice], lake: Lake, batch_id: str) -> Collection[IsoWeek] | None:
    """The weeks in which the lake can have rows of a batch, so that only their files are opened; None: all weeks.

    `listed` are its slices in the hot store, which lists a slice before its first row, and forever. The manifest lists
    it too, in case the hot store was created again. If neither lists the batch, all files are read: an archiver can be
    killed before its manifest entry.
    """
    slices = {*listed, *lake.recorded_of(batch_id)}
    return {slice_.week for slice_ in slices} or None


class _LakeBatch:
    """The lake's rows of a batch. DuckDB skips the row groups of other batches and other learners."""

    def __init__(self, union: DuckUnion, source: str, batch_id: str, asked: AttemptRange) -> None:
        named = {"batch_id": batch_id, "course_id": asked.course_id, "content_id": asked.content_id}
        self._parameters: dict[str, object] = {name: value for name, value in named.items() if value is not None}
        conditions = [f"{name} = ${name}" for name in self._parameters]
        if asked.after is not None:
            above = ", ".join(f"$after_{name}" for name in _PARTS)
            # compare the learner twice, because DuckDB skips row groups only by the plain comparison
            conditions += ["user_id >= $after_user_id", f"({', '.join(_PARTS)}) > ({above})"]
            self._parameters |= {f"after_{name}": getattr(asked.after, name) for name in _PARTS}
        self._union = union
        self._from = f"{source} WHERE {' AND '.join(conditions)}"
        self._limit = asked.limit

    def rows(self, until: str | None) -> list[AttemptVersion]:
        """All rows of the first `limit` keys, and maybe more; none of learners above `until`."""
        last = self._last_learner()
        bounds = [bound for bound in (last, until) if bound is not None]
        if not bounds:
            return [to_version(row) for row in self._union.rows(f"{ROW} {self._from}", self._parameters)]
        sql = f"{ROW} {self._from} AND user_id <= $last_user_id"
        return [to_version(row) for row in self._union.rows(sql, {**self._parameters, "last_user_id": min(bounds)})]

    def _last_learner(self) -> str | None:
        """A learner up to whom there are `limit` keys; None if there are fewer."""
        count = self._limit * _KEYS_AT_FIRST
        while True:
            sql = f"SELECT {', '.join(_PARTS)} {self._from} ORDER BY user_id LIMIT {count}"
            found = [tuple(row.values()) for row in self._union.rows(sql, self._parameters)]
            if len(set(found)) >= self._limit:
                return str(found[-1][0])
            if len(found) < count:
                return None
            count *= _KEYS_AT_FIRST


def _last_learner(rows: list[AttemptVersion], limit: int) -> str | None:
    """The learner of the last key, if there are `limit` keys; None if the hot store has no more keys."""
    keys = {row.key for row in rows}
    return max(keys).user_id if len(keys) >= limit else None


def _newest(rows: Iterable[AttemptVersion]) -> list[AttemptVersion]:
    """The newest version of each attempt, with its earliest receipt, in the order of the keys."""
    by_key: Iterable[tuple[AttemptKey, Iterable[AttemptVersion]]] = groupby(
        sorted(rows, key=page_order), attrgetter("key")
    )
    return [max(versions, key=lambda row: (row.version, -row.received_at)) for _, versions in by_key]
