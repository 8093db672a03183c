"""Use case: the activity of each batch in each ISO week.

The numbers are a pure function of the versions that were first received in the week, and of the corrections in force.
Archive, clear and a second receipt in a later week do not change them.
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
from assess_core.usecases.corrections_in_force import corrections_in_force

_LEARNERS: Final = 500  # the number of learners whose maps are read together


class Refreshed(NamedTuple):
    """The rows that `refresh` wrote, and their size."""

    rows: list[WeeklyActivity]
    bytes: int


def weekly_activity(stores: Stores, weeks: Collection[IsoWeek]) -> list[WeeklyActivity]:
    """The activity of these weeks, by week, then batch; a week without attempts has no row.

    Reads the rows of these weeks and the maps of their learners. Earlier weeks are not read. The corrections in force
    count.
    """
    asked = set(weeks)
    if not asked:
        return []
    decided = corrections_in_force(stores.hot.register)
    with stores.union(weeks=asked) as union:
        earlier = _received_earlier(union.received(asked), stores.hot)
        return union.weekly_activity(asked, earlier, [each.correction for each in decided])


def _received_earlier(received: Iterable[Received], hot: HotStore) -> set[bytes]:
    """The content hashes of versions that, according to the map, were first received in an earlier week."""
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
    """Each learner with a week for each of their versions, by content hash."""
    for user_id, versions in groupby(received, attrgetter("user_id")):
        yield user_id, {version.content_hash: version.week for version in versions}


def refresh(stores: Stores, table: WeeklyTable, weeks: Collection[IsoWeek]) -> Refreshed:
    """Compute these weeks again and replace them in the table; other weeks stay.

    Raises the errors of the stores.
    """
    rows = weekly_activity(stores, weeks)
    return Refreshed(rows, table.replace(weeks, rows))
