"""Delete everything of learners from Cassandra.

All rows of ours have a write time before 1970 (docs/decisions/0013). A deletion at the present time hides them all,
also those that were sent before the deletion and arrive after it.
"""

import time
from collections.abc import Callable, Collection, Iterator
from typing import Final

from assess_core.adapters.cassandra.connection import Connection
from assess_core.adapters.cassandra.failed import FailedEvents
from assess_core.chunks import chunks
from assess_core.domain.events import FailedEvent, FailedKey
from assess_core.domain.shards import shard_of
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.erasures import HotErased, Text
from assess_core.ports.hot_store import Learner

_LEARNERS: Final = 100
_STATEMENTS: Final = 1000
_PLACE: Final = "batch_id = ? AND year = ? AND week = ? AND shard = ? AND user_id = ?"
_COUNT: Final = f"SELECT count(*) FROM {{ks}}.assessment_aggregator WHERE {_PLACE}"
_DELETE: Final = f"DELETE FROM {{ks}}.assessment_aggregator USING TIMESTAMP ? WHERE {_PLACE}"
_ACTIVITY: Final = "activity_type = 'Course' AND activity_id = ? AND user_id = ?"
_COUNT_ACTIVITIES: Final = f"SELECT count(*) FROM {{ks}}.user_activity_agg WHERE {_ACTIVITY}"
_DELETE_ACTIVITIES: Final = f"DELETE FROM {{ks}}.user_activity_agg USING TIMESTAMP ? WHERE {_ACTIVITY}"
_COUNT_MAPS: Final = "SELECT count(*) FROM {ks}.assessment_aggregator_v2 WHERE user_id = ?"
_DELETE_MAPS: Final = "DELETE FROM {ks}.assessment_aggregator_v2 USING TIMESTAMP ? WHERE user_id = ?"
_DELETE_TOTALS: Final = "DELETE FROM {ks}.corrected_totals WHERE user_id = ?"


class CassandraErasing:
    """The methods of `HotStore` that erase learners."""

    shards: int
    _db: Connection
    _failed: FailedEvents
    learners: Callable[[Collection[str]], dict[str, Learner]]

    def erase(self, user_ids: Collection[str], slices: Collection[ArchiveSlice]) -> HotErased:
        rows = entries = summaries = activities = 0
        for some in chunks(sorted(set(user_ids)), _LEARNERS):
            found = self.learners(some)
            places = (
                (slice_.batch_id, *slice_.week, shard_of(user_id, self.shards), user_id)
                for slice_ in sorted(slices)
                for user_id in some
            )
            rows += self._delete(_COUNT, _DELETE, places)
            courses = {
                (entry.key.course_id, user_id) for user_id, learner in found.items() for entry in learner.entries
            }
            activities += self._delete(_COUNT_ACTIVITIES, _DELETE_ACTIVITIES, sorted(courses))
            entries += sum(len(learner.entries) for learner in found.values())
            summaries += self._delete(_COUNT_MAPS, _DELETE_MAPS, ((user_id,) for user_id in some))
            totals = self._db.prepared(_DELETE_TOTALS)
            self._db.execute_all([totals.bind((user_id,)) for user_id in some])
        return HotErased(rows, entries, summaries, activities)

    def _delete(self, count: str, delete: str, keys: "Iterator[tuple[object, ...]] | list[tuple[str, str]]") -> int:
        """Delete what is below these keys; returns how many rows there were."""
        counting, deleting = self._db.prepared(count), self._db.prepared(delete)
        deleted = 0
        for some in chunks(keys, _STATEMENTS):
            deleted += sum(rows[0][0] for rows in self._db.execute_all([counting.bind(key) for key in some]))
            now = time.time_ns() // 1000
            self._db.execute_all([deleting.bind((now, *key)) for key in some])
        return deleted

    def every_failed(self) -> Iterator[FailedEvent]:
        return self._failed.every()

    def remove_failed(self, keys: Collection[FailedKey]) -> None:
        self._failed.remove(keys)

    def files(self) -> Iterator[tuple[str, Iterator[Text]]]:
        return iter(())

    def scrub(self) -> str:
        return (
            "the SSTables of Cassandra hold the deleted rows until they are compacted, a day after the deletion at the "
            "earliest (maps and failed events: ten days); `nodetool compact KEYSPACE` then removes them on a node, and "
            "`nodetool clearsnapshot` its snapshots"
        )
