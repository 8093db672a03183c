"""Pages of a batch: reads the attempt keys of a page first, then only the rows of these keys."""

from collections.abc import Collection
from heapq import merge
from itertools import groupby, islice
from typing import Any, Final

from assess_core.adapters.sqlite.connections import Connections
from assess_core.domain.attempts import AttemptKey, AttemptVersion, Version, page_order
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.hot_store import AttemptRange

_KEY: Final = "user_id, course_id, content_id, attempt_id"
_PARTITION: Final = "FROM assessment_aggregator WHERE batch_id = ? AND year = ? AND week = ? AND shard = ?"
_AFTER: Final = f"{_PARTITION} AND ({_KEY}) > (?, ?, ?, ?)"
# reads only the primary key's index, and no row
_KEYS: Final = f"SELECT DISTINCT {_KEY} {_AFTER} {{only}} ORDER BY {_KEY} LIMIT ?"
_ROWS: Final = f"""SELECT {_KEY}, last_attempted_on, question <> '[]', content_hash, total_score, total_max_score,
    grand_total, question, updated_on {_AFTER} AND ({_KEY}) <= (?, ?, ?, ?) {{only}}"""

_Key = tuple[str, str, str, str]  # without the batch
_Partition = tuple[str, int, int, int]


class BatchPages:
    """Keyset reads of a batch. The cost grows with the page and the number of weeks, not with the rows of the batch."""

    def __init__(self, connections: Connections, shards: int) -> None:
        self._connections = connections
        self._shards = shards

    def after(self, slices: Collection[ArchiveSlice], asked: AttemptRange) -> list[AttemptVersion]:
        """See `HotStore.rows_after`."""
        names = {"course_id": asked.course_id, "content_id": asked.content_id}
        wanted = {column: value for column, value in names.items() if value is not None}
        only, values = " ".join(f"AND {column} = ?" for column in wanted), tuple(wanted.values())
        partitions = [
            (slice_.batch_id, *slice_.week, shard) for slice_ in sorted(set(slices)) for shard in range(self._shards)
        ]
        keys: dict[_Partition, list[_Key]] = {
            partition: self._select(_KEYS.format(only=only), (*partition, *asked.begin, *values, asked.limit))
            for partition in partitions
        }
        page = [of_key for of_key, _ in islice(groupby(merge(*keys.values())), asked.limit)]
        if not page:
            return []
        rows = [
            _version(partition[0], row)
            for partition, found in keys.items()
            if found and found[0] <= page[-1]
            for row in self._select(_ROWS.format(only=only), (*partition, *asked.begin, *page[-1], *values))
        ]
        return sorted(rows, key=page_order)

    def _select(self, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._connections.use() as connection:
            return connection.execute(sql, values).fetchall()


def _version(batch_id: str, row: tuple[Any, ...]) -> AttemptVersion:
    user_id, course_id, content_id, attempt_id, attempted_on, has_answers, hash_, *rest = row
    key = AttemptKey(user_id, course_id, batch_id, content_id, attempt_id)
    return AttemptVersion(key, Version(attempted_on, bool(has_answers), hash_), *rest)
