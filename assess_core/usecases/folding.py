"""Use case: fold a batch of decoded events into the hot store.

Nothing of an erased learner is written (erased.py). Order of writes: slices, rows, map entries, derived columns, failed
events. So every map entry has its row. After a crash between two writes the log repeats the batch, and folding it again
completes it. Until then no reader gets a wrong answer. If the store will never accept a row, its event becomes a failed
event.

Derived columns follow the corrections in force. If the answers of an archived version are needed for one and its totals
are not stored, the scores of its activity are left to the sweep of the correction, which always follows.

The maps after a batch follow from the maps before it, unless another writer adds entries meanwhile. A store with
transactions makes other writers wait. Otherwise the sizes of the maps are read after the entries were written. A map
that is larger than expected has entries of another writer, so its learner is read again and derived again.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.counts import counted
from assess_core.domain.events import (
    Accepted,
    Decoded,
    FailedEvent,
    FailedKey,
    Recompute,
    Record,
    failed,
    learner_of,
    raw_hash,
)
from assess_core.domain.reasons import Reason
from assess_core.domain.scores import ActivityKey, Attempts, Entry, Maps, maps_of
from assess_core.ports.erasures import NO_KEYS, Keys
from assess_core.ports.facts import Facts, NoFacts
from assess_core.ports.hot_store import HotStore, Learner
from assess_core.usecases.corrections_in_force import read_corrections
from assess_core.usecases.deriving import assessments_of, derive_corrected, rows_in, those_that_differ, write_activities
from assess_core.usecases.erased import erase_from_hot, erased_among, erased_under, keys_in_use


class Checks(NamedTuple):
    """Checks of an event against facts, and against the orders to erase learners."""

    facts: Facts
    question_count: bool = False
    """Whether an event fails if it has more distinct questions than the assessment."""
    keys: Keys = NO_KEYS


class Folded(NamedTuple):
    """The result of a batch: each record is counted once, in one of the first four fields, or in `erased`."""

    stored: int
    repeated: int
    recomputed: int
    rejected: list[FailedEvent]
    counting: list[int]
    """The stored versions that are now the newest of their attempt (8 bytes of each hash)."""
    displaced: set[int]
    """The versions that were the newest of their attempt before this batch, and no longer are."""
    erased: int = 0
    """Events of erased learners: nothing of them is stored."""

    @property
    def failed(self) -> int:
        return len(self.rejected)


class Tally:
    """The result of a run: events = stored + repeated + recomputed + failed + erased.

    Some stored versions are superseded.
    """

    def __init__(self) -> None:
        self.stored = self.repeated = self.recomputed = self.failed = self.erased = 0
        # 8 bytes per stored version: 0.3 % of an event's 2-3 kB
        self._counting = array("Q")
        self._displaced: set[int] = set()

    def add(self, folded: Folded) -> None:
        """Count a batch."""
        self.stored += folded.stored
        self.repeated += folded.repeated
        self.recomputed += folded.recomputed
        self.failed += folded.failed
        self.erased += folded.erased
        self._counting.extend(folded.counting)
        self._displaced |= folded.displaced

    @property
    def events(self) -> int:
        return self.stored + self.repeated + self.recomputed + self.failed + self.erased

    @property
    def superseded(self) -> int:
        """How many of the stored versions are not the newest of their attempt."""
        return self.stored - sum(version not in self._displaced for version in self._counting)

    def counts(self) -> dict[str, int]:
        """The numbers of the run by name, for programs."""
        return {
            "events": self.events,
            "stored": self.stored,
            "repeated": self.repeated,
            "recomputed": self.recomputed,
            "failed": self.failed,
            "erased": self.erased,
            "superseded": self.superseded,
        }

    def __str__(self) -> str:
        """The numbers of the run as a sentence."""
        return (
            f"{counted(self.events, 'event')} = {self.stored:,} stored ({self.superseded:,} superseded) + "
            f"{self.repeated:,} repeated + {self.recomputed:,} recomputed + {self.failed:,} failed"
            f"{f' + {self.erased:,} erased' if self.erased else ''}"
        )


def fold(batch: Iterable[Decoded], hot: HotStore, checks: Checks) -> Folded:
    """Fold a batch as a whole: read its learners, decide, write, and derive the scores that it touches.

    Raises `StoreUnavailable`. The batch may then be partly written; fold it again.
    """
    decoded = list(batch)
    with hot.transaction() as alone:
        return _fold(decoded, hot, checks, alone)


def _fold(decoded: Sequence[Decoded], hot: HotStore, checks: Checks, alone: bool) -> Folded:
    kept = _not_erased(decoded, hot, checks.keys)
    users = {_user_id(event) for event in kept if not isinstance(event, FailedEvent)}
    learners = hot.learners(users) if users else {}
    plan, refused = _decide(kept, learners, checks), dict[bytes, str]()
    if plan.rows:
        hot.add_slices({row.slice for row in plan.rows})
        refused = dict(hot.add_rows(plan.rows))
        plan = _without(plan, refused)
    new, before, after = _name(plan, learners, hot, alone)
    if plan.failed:
        hot.add_failed(plan.failed)
    _resolve(hot, (event.record for event in plan.accepted))
    if not alone and len(kept) > len(still := _not_erased(kept, hot, checks.keys)):
        # a learner was erased meanwhile: what was written is deleted again, and counts as if it had not been
        kept, plan = still, _without(_decide(still, learners, checks), refused)
        new = [entry for entry in new if _hash(entry) in plan.new]
    counting, displaced = _superseding(new, before, after)
    erased = len(decoded) - len(kept)
    return Folded(len(plan.new), plan.repeated, plan.recomputed, plan.failed, counting, displaced, erased)


def _not_erased(events: Sequence[Decoded], hot: HotStore, keys: Keys) -> Sequence[Decoded]:
    """The events that are not of erased learners.

    Deletes what may be stored of the others: a writer that was killed before it wrote a map entry leaves a row that no
    erasure finds. Its events come again.
    """
    used = keys_in_use(hot, keys)
    if not used:
        return events
    learners = [learner_of(event) for event in events]
    erased = erased_under(used, {learner for learner in learners if learner is not None}, hot)
    if not erased:
        return events
    gone = [event for event, learner in zip(events, learners, strict=True) if learner in erased]
    slices = {event.version.slice for event in gone if isinstance(event, Accepted)}
    erase_from_hot(erased, hot, slices)
    records = (event.record for event in gone)
    hot.remove_failed([FailedKey(*record[:3], raw_hash(record.raw)) for record in records])
    return [event for event, learner in zip(events, learners, strict=True) if learner not in erased]


def name_archived(rows: Iterable[AttemptVersion], hot: HotStore, keys: Keys) -> int:
    """Add the map entries of versions whose rows are in the lake, and derive the scores that they touch.

    The rows themselves are not written to the hot store, which must remember the lake before. Rows of erased learners
    are left out. If the rows have no answers, scores under corrections are left to a sweep (`usecases.applying`).
    Returns how many versions no map named before. Raises `StoreUnavailable`. Can be repeated.
    """
    all_ = list(rows)
    with hot.transaction() as alone:
        erased = erased_among({row.key.user_id for row in all_}, hot, keys)
        decoded = [Accepted(_NO_RECORD, row, 0) for row in all_ if row.key.user_id not in erased]
        learners = hot.learners({_user_id(event) for event in decoded})
        plan = _decide(decoded, learners, Checks(NoFacts()))
        if plan.rows:
            hot.add_slices({row.slice for row in plan.rows})
        _name(plan, learners, hot, alone)
        late = set() if alone else erased_among({_user_id(event) for event in decoded}, hot, keys)
        if late:
            erase_from_hot(late, hot)
    return len(plan.new)


_NO_RECORD: Final = Record("", 0, 0, b"")


def unnamed(rows: Sequence[AttemptVersion], hot: HotStore) -> list[AttemptVersion]:
    """The rows that are not repeats: no map names the version, or only with a later receipt."""
    learners = hot.learners({row.key.user_id for row in rows})
    return _decide([Accepted(_NO_RECORD, row, 0) for row in rows], learners, Checks(NoFacts())).rows


_Named = tuple[list[Entry], Maps, Maps]
"""The new entries, and the maps before and after them."""


def _name(plan: "_Plan", learners: Mapping[str, Learner], hot: HotStore, alone: bool) -> _Named:
    """Write the map entries of planned rows, and the derived data."""
    before, entries = _maps(learners), [Entry.of(row) for row in plan.rows]
    new = [entry for entry in entries if _hash(entry) in plan.new]
    after = _with_new(before, new)
    touched = {_activity_key(event) for event in plan.accepted}
    corrections = read_corrections(hot.register, assessments_of(touched, after))
    find = rows_in(hot, [event.version for event in plan.accepted if isinstance(event, Accepted)])
    derived = derive_corrected(hot, touched, after, corrections, find)
    summaries = those_that_differ(derived.summaries.values(), learners)
    if entries:
        hot.add_entries(entries, summaries)
    elif summaries:
        hot.put_summaries(summaries)
    if entries and not alone:
        others = _grown_by_others(hot, entries, after)
        changed = hot.learners(others) if others else {}
        after = after | _maps(changed)
        # Entries are written and then corrections read. Whoever enters a correction reads the maps afterwards. So one
        # of the two sees both.
        now = read_corrections(hot.register, assessments_of(touched, after))
        stale = {key for key in touched if now != corrections or key.user_id in others}
        if stale:
            again = derive_corrected(hot, stale, after, now, find)
            derived.activities.update(again.activities)
            if summaries := those_that_differ(again.summaries.values(), {**learners, **changed}):
                hot.put_summaries(summaries)
    write_activities(hot, derived.activities, {entry.key.activity for entry in new})
    return new, before, after


def _maps(learners: Mapping[str, Learner]) -> Maps:
    return maps_of(entry for learner in learners.values() for entry in learner.entries)


def _with_new(maps: Maps, entries: Iterable[Entry]) -> Maps:
    """The maps with new versions; the given maps stay as they are."""
    grown: Maps = {}
    for entry in entries:
        attempts = grown.get(entry.key)
        if attempts is None:
            found = maps.get(entry.key)
            attempts = grown[entry.key] = Attempts({}, []) if found is None else found.copy()
        attempts.add(entry)
    return maps | grown


class _Plan(NamedTuple):
    rows: list[AttemptVersion]
    """The rows to write: new versions, and known ones with an earlier receipt."""
    new: set[bytes]
    accepted: list[Accepted | Recompute]
    failed: list[FailedEvent]
    repeated: int
    recomputed: int


def _user_id(event: Accepted | Recompute) -> str:
    return event.version.key.user_id if isinstance(event, Accepted) else event.user_id


def _activity_key(event: Accepted | Recompute) -> ActivityKey:
    key = event.version.key if isinstance(event, Accepted) else event
    return ActivityKey(key.user_id, key.course_id, key.batch_id)


def _decide(decoded: Sequence[Decoded], learners: Mapping[str, Learner], checks: Checks) -> _Plan:
    """Decide which rows to write, from the batch and the maps. A content hash covers the key, so it names a version."""
    receipts = {_hash(entry): entry.received_at for learner in learners.values() for entry in learner.entries}
    rows: dict[bytes, AttemptVersion] = {}
    plan = _Plan([], set(), [], [], 0, 0)
    repeated = recomputed = 0
    for event in decoded:
        if isinstance(event, FailedEvent):
            plan.failed.append(event)
            continue
        if isinstance(event, Recompute):
            recomputed += 1
            plan.accepted.append(event)
            continue
        row, hash_ = event.version, event.version.version.content_hash
        if hash_ in receipts:
            repeated += 1
        elif refusal := _refusal(event, checks):
            plan.failed.append(refusal)
            continue
        else:
            plan.new.add(hash_)
        plan.accepted.append(event)
        if hash_ not in receipts or row.received_at < receipts[hash_]:
            rows[hash_], receipts[hash_] = row, row.received_at
    return plan._replace(rows=list(rows.values()), repeated=repeated, recomputed=recomputed)


def _without(plan: _Plan, refused: Mapping[bytes, str]) -> _Plan:
    """The plan without rows that the store refused. Their events fail, unless a map already names the version."""
    if not refused:
        return plan
    unstored = plan.new & refused.keys()
    accepted: list[Accepted | Recompute] = []
    rejected: list[FailedEvent] = []
    for event in plan.accepted:
        if isinstance(event, Accepted) and (hash_ := event.version.version.content_hash) in unstored:
            rejected.append(failed(event.record, Reason.REFUSED_BY_STORE, refused[hash_]))
        else:
            accepted.append(event)
    return plan._replace(
        rows=[row for row in plan.rows if row.version.content_hash not in refused],
        new=plan.new - unstored,
        accepted=accepted,
        failed=[*plan.failed, *rejected],
        repeated=plan.repeated - (len(rejected) - len(unstored)),  # the first event of each version was new
    )


def _refusal(event: Accepted, checks: Checks) -> FailedEvent | None:
    key = event.version.key
    leaf_nodes = checks.facts.leaf_nodes(key.course_id)
    if leaf_nodes is not None and key.content_id not in leaf_nodes:
        message = f"assessment {key.content_id!r} is not among the leaf nodes of course {key.course_id!r}"
        return failed(event.record, Reason.NOT_A_LEAF_NODE, message)
    if checks.question_count:
        count = checks.facts.question_count(key.content_id)
        if count is not None and event.questions > count:
            message = f"{event.questions} distinct questions were answered; assessment {key.content_id!r} has {count}"
            return failed(event.record, Reason.TOO_MANY_QUESTIONS, message)
    return None


def _grown_by_others(hot: HotStore, entries: Iterable[Entry], maps: Maps) -> set[str]:
    """The learners whose maps have other entries than expected. Entries are never deleted, so sizes are enough."""
    users = {entry.key.user_id for entry in entries}
    expected = {key: attempts.versions for key, attempts in maps.items() if key.user_id in users}
    return {key.user_id for key, _ in hot.map_sizes(users).items() ^ expected.items()}


def _resolve(hot: HotStore, accepted: Iterable[Record]) -> None:
    """Mark failed events as resolved if their record is stored now."""
    partitions: dict[tuple[str, int], dict[int, bytes]] = {}
    for record in accepted:
        partitions.setdefault((record.topic, record.partition), {})[record.offset] = record.raw
    for (topic, partition), raws in partitions.items():
        keys = hot.unresolved(topic, partition, min(raws), max(raws))
        resolved = [key for key in keys if key.offset in raws and raw_hash(raws[key.offset]) == key.raw_hash]
        if resolved:
            hot.resolve(resolved)


def _superseding(new: Iterable[Entry], before: Maps, after: Maps) -> tuple[list[int], set[int]]:
    """The new versions that count now, and the versions of their attempts that counted before and no longer do."""
    counting, displaced = list[int](), set[int]()
    for entry in new:
        newest = after[entry.key].newest[entry.attempt_id]
        if _hash(newest) == _hash(entry):
            counting.append(_short(_hash(entry)))
        counted = before[entry.key].newest.get(entry.attempt_id) if entry.key in before else None
        if counted is not None and _hash(counted) != _hash(newest):
            displaced.add(_short(_hash(counted)))
    return counting, displaced


def _hash(entry: Entry) -> bytes:
    return entry.version.content_hash


def _short(hash_: bytes) -> int:
    return int.from_bytes(hash_[:8])
