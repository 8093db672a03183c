"""The read side: what GraphQL, REST and the command line may ask. One object answers them all, with frozen views.

Scores come from the summaries' maps alone; attempts from where the maps point, hot store first, then the lake. So every
answer is the same before, during and after archive and clear. What cannot be read fails by name.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from math import isfinite

import msgspec

from assess_core.domain.attempts import Answer, AttemptKey, AttemptVersion
from assess_core.domain.scores import Entry, derive, newest_versions
from assess_core.domain.slice_status import SliceStatus, SliceView
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import BadRequest, UnknownBatch, VersionMissing
from assess_core.ports.cancelling import checkpoint
from assess_core.ports.hot_store import AttemptRange
from assess_core.ports.reports import BatchNumbers
from assess_core.ports.stores import Stores
from assess_core.usecases import archiving, tables
from assess_core.usecases.paging import FIRST, MOST, check_first, read_cursor
from assess_core.usecases.slice_pages import slice_page
from assess_core.usecases.views import Attempt, Overview, Page, Score, Scores, WeekCounts

_answers = msgspec.json.Decoder(tuple[Answer, ...]).decode


class Queries:
    """Answers questions about the stores. `grace` in ms; `now` gives epoch ms.

    May be shared by threads. An id that is given empty is an id that is not given. Every method raises
    `StoreUnavailable`, `NotOurTable`, and `BadRequest` for what cannot be asked.
    """

    def __init__(self, stores: Stores, grace: int, now: Callable[[], int]) -> None:
        self._stores = stores
        self._grace = grace
        self._now = now

    def score(
        self, user_id: str, assessment_id: str, course_id: str | None = None, batch_id: str | None = None
    ) -> Scores:
        """The scores of a learner at an assessment; of one course or batch, where named."""
        entries = self._entries(
            _required("userId", user_id),
            _optional("courseId", course_id),
            _optional("batchId", batch_id),
            _required("assessmentId", assessment_id),
        )
        scores = [Score.of(summary) for summary in derive(entries).summaries.values()]
        return Scores(tuple(sorted(scores, key=lambda score: score.best_first)))

    def attempts(
        self,
        *,
        user_id: str | None = None,
        batch_id: str | None = None,
        course_id: str | None = None,
        assessment_id: str | None = None,
        first: int = FIRST,
        after: str | None = None,
    ) -> Page:
        """A page of the attempts of a learner, or of a batch; of one course or assessment, where named.

        At most `first` (1 to 100), from the cursor `after` on. Raises `UnknownBatch` where no learner is named, and
        `VersionMissing` where a version that the learner's map names is in neither tier.
        """
        check_first(first)
        last = read_cursor(after) if after else None
        user_id, batch_id = _optional("userId", user_id), _optional("batchId", batch_id)
        course_id, assessment_id = _optional("courseId", course_id), _optional("assessmentId", assessment_id)
        if user_id:
            return self._page_of_learner(self._entries(user_id, course_id, batch_id, assessment_id), first, last)
        if batch_id:
            return self._page_of_batch(batch_id, course_id, assessment_id, first, last)
        raise BadRequest("attempts of whom? name a userId, a batchId or both")

    def batch(self, batch_id: str) -> Overview:
        """A batch in numbers. Raises `UnknownBatch`."""
        batch_id = _required("batchId", batch_id)
        with self._stores.union(batch_id=batch_id) as union:
            numbers, weeks = union.batch_numbers(), union.week_numbers()
        if not numbers.versions:
            self.require_known(batch_id)
        return Overview(
            batch_id=batch_id,
            attempts=numbers.attempts,
            learners=numbers.learners,
            assessments=numbers.assessments,
            versions=numbers.versions,
            mean_score=_mean(numbers),
            first_received=numbers.first_received,
            last_received=numbers.last_received,
            weeks=tuple(WeekCounts(IsoWeek(row.year, row.week), row.attempts, row.versions) for row in weeks),
        )

    def slice_page(
        self,
        *,
        batch_id: str | None = None,
        status: SliceStatus | None = None,
        first: int = MOST,
        after: ArchiveSlice | None = None,
    ) -> list[SliceView]:
        """The first slices above `after`, with their status now; of one batch or in one status, if it is named.

        The cost grows with `first`, and with the slices in other statuses that lie between.
        """
        check_first(first)
        batch_id, now, unread = _optional("batchId", batch_id), self._now(), self._stores.log.unread()
        found: list[SliceView] = []
        while True:
            page = slice_page(self._stores, now, self._grace, unread, batch_id=batch_id, after=after, first=first)
            found += [view for view in page.views if status in (None, view.status)]
            if len(found) >= first or not page.has_next:
                return found[:first]
            checkpoint()
            after = page.views[-1].slice

    def slices(self, batch_id: str | None = None) -> list[SliceView]:
        """All slices, or those of a batch, with their status now."""
        unread = self._stores.log.unread()
        return archiving.slice_views(self._stores, self._now(), self._grace, unread, batch_id or None)

    def table(
        self, name: tables.Name, batch_id: str | None = None, tier: tables.Tier = tables.Tier.ALL
    ) -> Iterator[tables.Row]:
        """The rows of a table, sorted, with the columns `tables.COLUMNS[name]`."""
        batch_id = _optional("batchId", batch_id)
        tables.check(name, batch_id, tier)
        if name is tables.Name.SLICES:
            return map(tables.slice_row, self.slices(batch_id))
        return tables.rows(self._stores, name, batch_id, tier)

    def ready(self) -> None:
        """Ask the hot store something small: raises `StoreUnavailable` when it is away."""
        self._stores.hot.learners(["-"])

    def _entries(
        self, user_id: str, course_id: str | None, batch_id: str | None, assessment_id: str | None
    ) -> list[Entry]:
        learner = self._stores.hot.learners([user_id]).get(user_id)
        return [
            entry
            for entry in (learner.entries if learner else [])
            if (course_id is None or entry.key.course_id == course_id)
            and (batch_id is None or entry.key.batch_id == batch_id)
            and (assessment_id is None or entry.key.assessment_id == assessment_id)
        ]

    def _page_of_learner(self, entries: Collection[Entry], first: int, last: AttemptKey | None) -> Page:
        keyed = sorted((entry.row_key.key, entry) for entry in newest_versions(entries))
        after = [entry for key, entry in keyed if last is None or key > last]
        page = after[:first]
        versions = self._versions(page)
        # the map's receipt is the earliest one, whichever copy was read
        attempts = (_attempt(versions[entry.version.content_hash], entry.received_at) for entry in page)
        return Page(tuple(attempts), has_next=len(after) > first, has_previous=len(after) < len(keyed))

    def _versions(self, entries: Sequence[Entry]) -> dict[bytes, AttemptVersion]:
        """The versions that a learner's entries name, by content hash: first from the hot store, then from the lake."""
        found = {row.version.content_hash: row for row in self._stores.hot.get([entry.row_key for entry in entries])}
        absent: dict[str, list[Entry]] = {}
        for entry in entries:
            if entry.version.content_hash not in found:
                absent.setdefault(entry.key.batch_id, []).append(entry)
        for batch_id, missing in absent.items():
            found |= self._archived_versions(batch_id, missing)
        for entry in entries:
            if entry.version.content_hash not in found:
                raise VersionMissing(
                    f"{entry.row_key.key}, received in slice {str(entry.row_key.slice)!r}, is neither in the hot store "
                    "nor in the lake; restore the lake's files, or the hot store, from a backup"
                )
        return found

    def _archived_versions(self, batch_id: str, entries: Sequence[Entry]) -> dict[bytes, AttemptVersion]:
        hashes = [entry.version.content_hash for entry in entries]
        weeks = {entry.row_key.slice.week for entry in entries}
        # the hot store was read before, so a row that a clear deleted since then is in the lake's newest version
        found = self._stores.union.archived(batch_id, weeks, entries[0].key.user_id, hashes)
        return {version.version.content_hash: version for version in found}

    def _page_of_batch(
        self, batch_id: str, course_id: str | None, content_id: str | None, first: int, last: AttemptKey | None
    ) -> Page:
        rows = self._stores.union.page(batch_id, AttemptRange(last, first + 1, course_id, content_id))
        if not rows:
            self.require_known(batch_id)
        attempts = tuple(_attempt(row, row.received_at) for row in rows[:first])
        return Page(attempts, has_next=len(rows) > first, has_previous=last is not None)

    def require_known(self, batch_id: str) -> None:
        """Raise `UnknownBatch` unless a slice of the batch ever held rows."""
        if not archiving.known(self._stores, batch_id):
            raise UnknownBatch(f"no store knows the batch {batch_id!r}; `assess slices` lists what there is")


def _attempt(version: AttemptVersion, received_at: int) -> Attempt:
    return Attempt(
        key=version.key,
        last_attempted_on=version.version.last_attempted_on,
        total_score=version.total_score,
        total_max_score=version.total_max_score,
        grand_total=version.grand_total,
        updated_on=received_at,
        answers=_answers(version.question),
    )


def _required(name: str, value: str) -> str:
    if not value:
        raise BadRequest(f"{name} is empty; name one")
    return _text(name, value)


def _optional(name: str, value: str | None) -> str | None:
    return _text(name, value) if value else None


def _text(name: str, value: str) -> str:
    """Half of a surrogate pair is no text: no event has it in an id, and no store takes it."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRequest(f"{name} is not valid Unicode; send it as UTF-8") from None
    return value


def _mean(numbers: BatchNumbers) -> float | None:
    """The mean of the scores; where their sum is beyond floating point, the sum of their parts."""
    if numbers.sum_of_scores is None or isfinite(numbers.sum_of_scores):
        return None if numbers.sum_of_scores is None else numbers.sum_of_scores / numbers.attempts
    return numbers.sum_of_parts
