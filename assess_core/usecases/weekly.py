"""Use case: weekly activity, what each batch did in each ISO week.

The numbers are a pure function of the versions that were first received in the week. Archive, clear and a second
receipt in a later week change none of them.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

from assess_core.chunks import chunks
from assess_core.domain.slices import IsoWeek
from assess_core.ports.hot_store import HotStore
from assess_core.ports.reports import Received, WeeklyActivity, WeeklyTable
from assess_core.ports.stores import Stores

_LEARNERS: Final = 500  # whose maps are read at a time


class Refreshed(NamedTuple):
    """What `refresh` wrote."""

    rows: list[WeeklyActivity]
    bytes: int


def weekly_activity(stores: Stores, weeks: Collection[IsoWeek]) -> list[WeeklyActivity]:
    """The activity of these weeks, by week, then batch; a week without attempts has no row.

    Reads the rows of these weeks and the maps of their learners. Earlier weeks are not read, however many there are.
    """
    asked = set(weeks)
    if not asked:
        return []
    with stores.union(weeks=asked) as union:
        return union.weekly_activity(asked, _received_earlier(union.received(asked), stores.hot))


def _received_earlier(received: Iterable[Received], hot: HotStore) -> set[bytes]:
    """The content hashes of those versions whose first receipt, by the learner's map, was in an earlier week."""
    earlier: set[bytes] = set()
    for some in chunks(_by_learner(received), _LEARNERS):
        learners = hot.learners([user_id for user_id, _ in some])
        for user_id, weeks in some:
            if learner := learners.get(user_id):
                earlier |= {
                    entry.version.content_hash
                    for entry in learner.entries
                    if (week := weeks.get(entry.version.content_hash)) and IsoWeek.of(entry.received_at) < week
                }
    return earlier


def _by_learner(received: Iterable[Received]) -> Iterator[tuple[str, dict[bytes, IsoWeek]]]:
    """Each learner with the weeks of the versions, by content hash."""
    for user_id, versions in groupby(received, attrgetter("user_id")):
        yield user_id, {version.content_hash: version.week for version in versions}


def refresh(stores: Stores, table: WeeklyTable, weeks: Collection[IsoWeek]) -> Refreshed:
    """Compute these weeks again and replace them in the table; other weeks stay.

    Raises what the stores raise.
    """
    rows = weekly_activity(stores, weeks)
    return Refreshed(rows, table.replace(weeks, rows))
