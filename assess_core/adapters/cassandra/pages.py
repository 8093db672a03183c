"""Pages of a batch: reads the attempt keys of a page first, then only the rows of these keys."""

from collections.abc import Collection, Iterator
from heapq import merge
from itertools import groupby, islice
from typing import Final, NamedTuple

from assess_core.adapters.cassandra.connection import Connection, Row
from assess_core.chunks import chunks
from assess_core.domain.attempts import AttemptKey, AttemptVersion, Version, page_order
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.hot_store import AttemptRange

_KEY: Final = "user_id, course_id, content_id, attempt_id"
_OF_SLICE: Final = "FROM {ks}.assessment_aggregator WHERE batch_id = ? AND year = ? AND week = ?"
# one row per attempt, and no `question`
_BY_KEY: Final = f"GROUP BY batch_id, year, week, shard, {_KEY}"
_FIRST_KEYS: Final = f"SELECT {_KEY}, shard {_OF_SLICE} AND shard IN ? AND ({_KEY}) > (?, ?, ?, ?) {_BY_KEY}"
_MORE_KEYS: Final = f"SELECT {_KEY} {_OF_SLICE} AND shard = ? AND ({_KEY}) > (?, ?, ?, ?) {_BY_KEY} LIMIT ?"
_ROWS: Final = f"""SELECT {_KEY}, to_unix_timestamp(last_attempted_on), question, content_hash, total_score,
    total_max_score, grand_total, to_unix_timestamp(updated_on) {_OF_SLICE} AND shard = ? AND ({_KEY}) IN ?"""
_KEYS_IN: Final = 20  # attempts in one IN
_FEWEST_KEYS: Final = 8  # at least, in the first request for a shard
_MOST_KEYS: Final = 2000  # in one request, reached if most attempts are at other assessments than the requested one

_Key = tuple[str, str, str, str]  # without the batch


class _Shard(NamedTuple):
    slice: ArchiveSlice
    number: int

    @property
    def partition(self) -> tuple[str, int, int, int]:
        return self.slice.batch_id, *self.slice.week, self.number


class BatchPages:
    """Keyset reads of a batch. The cost grows with the page, the weeks and the shards, not with the batch's rows."""

    def __init__(self, db: Connection, shards: int) -> None:
        self._db = db
        self._shards = shards

    def after(self, slices: Collection[ArchiveSlice], asked: AttemptRange) -> list[AttemptVersion]:
        """See `HotStore.rows_after`."""
        if asked.limit < 1:
            return []
        # the learners of a page are spread over the shards
        size = max(_FEWEST_KEYS, 2 * asked.limit // self._shards)
        seen: dict[_Shard, list[_Key]] = {}

        def matching(shard: _Shard, first: list[_Key]) -> Iterator[_Key]:
            for found in self._keys(shard, size, first):
                if asked.course_id in (None, found[1]) and asked.content_id in (None, found[2]):
                    seen.setdefault(shard, []).append(found)
                    yield found

        first = self._first_keys(sorted(set(slices)), asked.begin, size)
        in_order = merge(*(matching(shard, keys) for shard, keys in first.items()))
        page = {found for found, _ in islice(groupby(in_order), asked.limit)}
        return self._rows({shard: [each for each in keys if each in page] for shard, keys in seen.items()})

    def _first_keys(self, slices: list[ArchiveSlice], begin: _Key, size: int) -> dict[_Shard, list[_Key]]:
        """The first keys of every shard, with one request per slice; the requests run concurrently."""
        select = self._db.prepared(f"{_FIRST_KEYS} PER PARTITION LIMIT ?")
        shards = list(range(self._shards))
        asked = [select.bind((one.batch_id, *one.week, shards, *begin, size)) for one in slices]
        found: dict[_Shard, list[_Key]] = {}
        for slice_, rows in zip(slices, self._db.execute_all(asked), strict=True):
            for *key, shard in rows:
                found.setdefault(_Shard(slice_, shard), []).append(_key(key))
        return found

    def _keys(self, shard: _Shard, size: int, found: list[_Key]) -> Iterator[_Key]:
        """The keys of a shard in their order: the keys in `found`, then more on demand."""
        while True:
            yield from found
            if len(found) < size:
                return
            last, size = found[-1], min(size * 2, _MOST_KEYS)
            found = [_key(row) for row in self._db.execute(_MORE_KEYS, (*shard.partition, *last, size))]
            if not found:
                return

    def _rows(self, keys: dict[_Shard, list[_Key]]) -> list[AttemptVersion]:
        select = self._db.prepared(_ROWS)
        asked = [
            (shard, select.bind((*shard.partition, some)))
            for shard, of_shard in keys.items()
            for some in chunks(of_shard, _KEYS_IN)
        ]
        answers = self._db.execute_all([statement for _, statement in asked])
        found = (_version(shard.slice, row) for (shard, _), rows in zip(asked, answers, strict=True) for row in rows)
        return sorted(found, key=page_order)


def _key(values: Row | list[str]) -> _Key:
    user_id, course_id, content_id, attempt_id = values
    return user_id, course_id, content_id, attempt_id


def _version(slice_: ArchiveSlice, row: Row) -> AttemptVersion:
    user_id, course_id, content_id, attempt_id, attempted_on, question, hash_, score, max_score, total, received_at = (
        row
    )
    key = AttemptKey(user_id, course_id, slice_.batch_id, content_id, attempt_id)
    version = Version(attempted_on, question != "[]", hash_)
    return AttemptVersion(key, version, score, max_score, total, question, received_at)
