"""The queries of GraphQL, REST and the command line. One object answers all of them with immutable values.

Scores are computed from the maps and the corrections in force. Attempts are read from the hot store first, then from
the lake. So every answer is the same before, during and after archive and clear. If something cannot be read, the query
fails and names it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from math import isfinite
from typing import NamedTuple

import msgspec

from assess_core.domain.attempts import Answer, AttemptKey, AttemptVersion, grand_total
from assess_core.domain.correction_records import Corrections, Decided
from assess_core.domain.corrections import corrected_version
from assess_core.domain.manifest import by_slice
from assess_core.domain.measures import Sample
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.domain.scores import Entry, newest_versions
from assess_core.domain.slice_status import SliceStatus, SliceView
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import BadRequest, UnknownBatch
from assess_core.ports.cancelling import checkpoint
from assess_core.ports.hot_store import AttemptRange
from assess_core.ports.reports import BatchNumbers, ReportOutput
from assess_core.ports.stores import Stores
from assess_core.usecases import archiving, tables
from assess_core.usecases.corrected_entries import corrected_entries
from assess_core.usecases.corrections_in_force import SharedCorrections, corrections_of, read_corrections
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.explaining import Explanation, explain
from assess_core.usecases.ids import optional, required
from assess_core.usecases.learner_scores import (
    Maps,
    ReadMaps,
    SharedMaps,
    attempt_scores,
    entries_of,
    score,
    valid_ids,
)
from assess_core.usecases.monitoring import read_state
from assess_core.usecases.paging import FIRST, MOST, check_first, read_cursor
from assess_core.usecases.pending import pending_views
from assess_core.usecases.slice_pages import all_known, slice_page
from assess_core.usecases.stored_versions import StoredVersions, stored_versions
from assess_core.usecases.views import Attempt, AttemptScore, Overview, Page, Scores, WeekCounts

_answers = msgspec.json.Decoder(tuple[Answer, ...]).decode


class Queries:
    """Answers queries about the stores. `grace` is in ms; `now` returns epoch ms.

    Threads can share an object. An optional id that is empty counts as not given. Every method raises
    `StoreUnavailable`, `NotOurTable`, and `BadRequest` for an invalid query.
    """

    def __init__(self, stores: Stores, grace: int, now: Callable[[], int], shared: "Shared | None" = None) -> None:
        self._stores = stores
        self._grace = grace
        self._now = now
        self._maps: Maps = stores.hot if shared is None else shared.maps
        self._shared = shared

    def sharing(self, user_ids: Collection[str]) -> "Queries":
        """Queries for one request, which reads these learners together. They see one state of each learner."""
        if self._shared is not None:
            return self
        hot = self._stores.hot
        shared = Shared(SharedMaps(hot, user_ids), SharedCorrections(hot.register).of)
        return Queries(self._stores, self._grace, self._now, shared)

    def at_once(self, user_ids: Collection[str]) -> "Queries | None":
        """Queries about the scores of these learners that wait for nothing; None if a thread must ask.

        They have read what they need, and raise `WouldWait` if they are asked about another learner.
        """
        asked = valid_ids(user_ids)
        found = self._stores.hot.entries_at_once(asked) if asked else {}
        if found is None:
            return None
        return Queries(self._stores, self._grace, self._now, Shared(ReadMaps(asked, found), _no_corrections))

    def score(
        self, user_id: str, assessment_id: str, course_id: str | None = None, batch_id: str | None = None
    ) -> Scores:
        """The scores of a learner at an assessment, optionally of one course or batch."""
        user_id, assessment_id = required("userId", user_id), required("assessmentId", assessment_id)
        course_id, batch_id = optional("courseId", course_id), optional("batchId", batch_id)
        return score(self._corrected(entries_of(self._maps, user_id, course_id, batch_id, assessment_id)))

    def attempt_scores(
        self, user_id: str, course_id: str, batch_id: str, assessment_ids: Collection[str] = ()
    ) -> list[AttemptScore]:
        """The score of each attempt of a learner in a batch, by default at all assessments."""
        user_id, course_id = required("userId", user_id), required("courseId", course_id)
        entries = entries_of(self._maps, user_id, course_id, required("batchId", batch_id), None)
        wanted = [entry for entry in entries if not assessment_ids or entry.key.assessment_id in assessment_ids]
        return attempt_scores(self._corrected(wanted))

    def explain(
        self, user_id: str, assessment_id: str, course_id: str | None = None, batch_id: str | None = None
    ) -> list[Explanation]:
        """Why the scores of a learner at an assessment are what they are, by batch and course."""
        now = self._now()
        return explain(self._stores, now, self._grace, user_id, assessment_id, course_id, batch_id)

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
        """A page of the attempts of a learner or a batch, optionally of one course or assessment.

        The page has at most `first` attempts (1 to 100) and begins after the cursor `after`. Raises `UnknownBatch` for
        an unknown batch if no learner is given. Raises `VersionMissing` if a version that the learner's map names is in
        neither tier. An attempt that retention dropped has its scores and no answers.
        """
        check_first(first)
        last = read_cursor(after) if after else None
        user_id, batch_id = optional("userId", user_id), optional("batchId", batch_id)
        course_id, assessment_id = optional("courseId", course_id), optional("assessmentId", assessment_id)
        if user_id:
            return self._page_of_learner(
                entries_of(self._maps, user_id, course_id, batch_id, assessment_id), first, last
            )
        if batch_id:
            return self._page_of_batch(batch_id, course_id, assessment_id, first, last)
        raise BadRequest("userId and batchId are both missing; give one of them or both")

    def attempt(self, key: AttemptKey) -> Attempt | None:
        """An attempt; None if it does not exist. Raises `VersionMissing` as in `attempts`."""
        user_id, course_id = required("userId", key.user_id), required("courseId", key.course_id)
        batch_id, content_id = required("batchId", key.batch_id), required("assessmentId", key.content_id)
        entries = entries_of(self._maps, user_id, course_id, batch_id, content_id)
        page = self._page_of_learner([one for one in entries if one.attempt_id == key.attempt_id], 1, None)
        return next(iter(page.attempts), None)

    def slice(self, slice_: ArchiveSlice) -> SliceView | None:
        """A slice with its current status; None if no store knows it."""
        if not archiving.is_known(self._stores, slice_):
            return None
        records = by_slice(self._stores.lake.manifest([slice_]))
        unread = self._stores.log.unread()
        [view] = archiving.views_of([slice_], records, self._stores, self._now(), self._grace, unread)
        return view

    def batch(self, batch_id: str) -> Overview:
        """The numbers of a batch. Raises `UnknownBatch`."""
        batch_id = required("batchId", batch_id)
        decided = corrections_of(self._stores.hot.register, [batch_id])
        with self._stores.union(batches=[batch_id], answers=bool(decided)) as union:
            numbers, weeks = union.batch_numbers([each.correction for each in decided]), union.week_numbers()
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

    def overview(self, batch_id: str, output: ReportOutput) -> None:
        """Write the report *overview* of a batch. Raises `UnknownBatch`, `ReportFailed`."""
        spec = ReportSpec(report=Report.OVERVIEW, format=Format.HTML, batches=(required("batchId", batch_id),))
        write_exhaust(self._stores, spec, output)

    def slice_page(
        self,
        *,
        batch_id: str | None = None,
        status: SliceStatus | None = None,
        first: int = MOST,
        after: ArchiveSlice | None = None,
    ) -> list[SliceView]:
        """The first slices after `after` with their current status, optionally of one batch or status.

        The cost grows with `first`, and with the slices between them that have another status.
        """
        check_first(first)
        batch_id, now, unread = optional("batchId", batch_id), self._now(), self._stores.log.unread()
        found: list[SliceView] = []
        while True:
            page = slice_page(self._stores, now, self._grace, unread, batch_id=batch_id, after=after, first=first)
            found += [view for view in page.views if status in (None, view.status)]
            if len(found) >= first or not page.has_next:
                return found[:first]
            checkpoint()
            after = page.views[-1].slice

    def slices(self, batch_id: str | None = None) -> list[SliceView]:
        """All slices, or the slices of a batch, with their current status."""
        unread = self._stores.log.unread()
        return archiving.slice_views(self._stores, self._now(), self._grace, unread, batch_id or None)

    def batches_with(self, prefix: str, most: int) -> tuple[list[str], bool]:
        """The ids that begin with `prefix`, sorted, at most `most`, and whether there are more.

        The cost grows with the slices, because they are ordered by week.
        """
        found = set[str]()
        for slice_ in all_known(self._stores):
            if slice_.batch_id.startswith(prefix) and slice_.batch_id not in found:
                if len(found) == most:
                    return sorted(found), True
                found.add(slice_.batch_id)
        return sorted(found), False

    def pending_slices(self) -> list[SliceView]:
        """The slices that can need a step, sorted. The cost grows with the rows in the hot store."""
        return pending_views(self._stores, self._now(), self._grace, self._stores.log.unread())

    def table(
        self, name: tables.Name, batch_id: str | None = None, tier: tables.Tier = tables.Tier.ALL
    ) -> Iterator[tables.Row]:
        """The rows of a table, sorted, with the columns `tables.COLUMNS[name]`."""
        if name is tables.Name.SLICES:
            tables.check(name, batch_id, tier)
            return map(tables.slice_row, self.slices(optional("batchId", batch_id)))
        return tables.rows(self._stores, name, batch_id, tier)

    def dependencies(self) -> dict[str, Callable[[], None]]:
        """A small question to each store, by name. Raises `AssessError` if the store cannot be used."""
        return {"hot store": self._ask_hot, "lake": self._ask_lake, "log": self._ask_log}

    def state(self) -> list[Sample]:
        """The state of the stores as samples of metrics. The cost grows with the rows in the hot store."""
        return read_state(self._stores, self._now(), self._grace)

    def _ask_hot(self) -> None:
        self._stores.hot.entries(["-"])

    def _ask_lake(self) -> None:
        self._stores.lake.pin()

    def _ask_log(self) -> None:
        self._stores.log.unread()

    def _page_of_learner(self, entries: Collection[Entry], first: int, last: AttemptKey | None) -> Page:
        keyed = sorted((entry.row_key.key, entry) for entry in newest_versions(entries))
        after = [entry for key, entry in keyed if last is None or key > last]
        page = after[:first]
        found, corrections = self._versions(page), self._corrections(page)
        attempts = (
            # the map has the earliest receipt; the copy that was read can have a later one
            _attempt(version, entry.received_at, corrections.covering(entry))
            if (version := found.rows.get(entry.version.content_hash))
            else _without_answers(entry, counting, found.dropped[entry.version.content_hash])
            for entry, counting in zip(page, self._corrected(page) if found.dropped else page, strict=True)
        )
        return Page(tuple(attempts), has_next=len(after) > first, has_previous=len(after) < len(keyed))

    def _corrected(self, entries: list[Entry]) -> list[Entry]:
        """The entries with the scores that count."""
        return corrected_entries(self._stores.hot, entries, self._corrections(entries), self._versions)

    def _versions(self, entries: Sequence[Entry]) -> StoredVersions:
        return stored_versions(self._stores, entries)

    def _corrections(self, entries: Iterable[Entry]) -> Corrections:
        assessments = {entry.key.assessment_id for entry in entries}
        if self._shared is not None:
            return self._shared.corrections(assessments)
        return read_corrections(self._stores.hot.register, assessments)

    def _page_of_batch(
        self, batch_id: str, course_id: str | None, content_id: str | None, first: int, last: AttemptKey | None
    ) -> Page:
        rows = self._stores.union.page(batch_id, AttemptRange(last, first + 1, course_id, content_id))
        if not rows:
            self.require_known(batch_id)
        entries = [(row, Entry.of(row)) for row in rows[:first]]
        corrections = self._corrections(entry for _, entry in entries)
        attempts = tuple(_attempt(row, row.received_at, corrections.covering(entry)) for row, entry in entries)
        return Page(attempts, has_next=len(rows) > first, has_previous=last is not None)

    def knows(self, batch_id: str) -> bool:
        """Whether a slice of the batch ever held rows."""
        return bool(archiving.known(self._stores, required("batchId", batch_id)))

    def require_known(self, batch_id: str) -> None:
        """Raise `UnknownBatch` unless a slice of the batch ever held rows."""
        if not self.knows(batch_id):
            raise UnknownBatch(f"no store knows the batch {batch_id!r}; `assess slices` lists the batches")


class Shared(NamedTuple):
    """What the questions of one request read together."""

    maps: Maps
    corrections: Callable[[Collection[str]], Corrections]


def _no_corrections(_assessments: Collection[str]) -> Corrections:
    """What `entries_at_once` promises."""
    return Corrections({})


def _attempt(stored: AttemptVersion, received_at: int, corrections: Iterable[Decided]) -> Attempt:
    version = corrected_version(stored, [one.correction for one in corrections])
    return Attempt(
        key=version.key,
        last_attempted_on=version.version.last_attempted_on,
        total_score=version.total_score,
        total_max_score=version.total_max_score,
        grand_total=version.grand_total,
        updated_on=received_at,
        answers=_answers(version.question),
        original_score=stored.total_score,
        original_max_score=stored.total_max_score,
    )


def _without_answers(submitted: Entry, counting: Entry, dropped_at: int) -> Attempt:
    return Attempt(
        key=submitted.row_key.key,
        last_attempted_on=submitted.version.last_attempted_on,
        total_score=counting.score,
        total_max_score=counting.max_score,
        grand_total=grand_total(counting.score, counting.max_score),
        updated_on=submitted.received_at,
        answers=(),
        original_score=submitted.score,
        original_max_score=submitted.max_score,
        dropped_at=dropped_at,
    )


def _mean(numbers: BatchNumbers) -> float | None:
    """The mean of the scores; `sum_of_parts` if the sum of the scores overflows."""
    if numbers.sum_of_scores is None or isfinite(numbers.sum_of_scores):
        return None if numbers.sum_of_scores is None else numbers.sum_of_scores / numbers.attempts
    return numbers.sum_of_parts
