"""What operators and auditors ask and do through the API: failed events, replays, manifest, balance and seals."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from typing import Final, NamedTuple

from assess_core.chunks import bounded
from assess_core.domain.correction_records import Entered
from assess_core.domain.events import FailedEvent, FailedKey, Record, decode
from assess_core.domain.holds import Hold
from assess_core.domain.manifest import Action, ManifestEntry
from assess_core.domain.moments import iso
from assess_core.domain.reasons import Reason
from assess_core.domain.seals import Seal, parse_seal
from assess_core.domain.slices import ArchiveSlice
from assess_core.domain.ticket_diff import Change, Difference
from assess_core.domain.tickets import Ticket, parse_id
from assess_core.errors import BadRequest
from assess_core.ports.cancelling import checkpoint
from assess_core.ports.facts import Facts, NoFacts
from assess_core.ports.hot_store import HotStore
from assess_core.ports.ledger import Ledger
from assess_core.ports.log import BATCH_BYTES, BATCH_RECORDS
from assess_core.ports.stores import Stores
from assess_core.usecases import seals
from assess_core.usecases.archiving import require_known
from assess_core.usecases.balance import Balance, balance
from assess_core.usecases.balance import require_known as require_known_batches
from assess_core.usecases.corrections_in_force import all_entered
from assess_core.usecases.erased import Erasure, read_erasures
from assess_core.usecases.folding import Checks, Tally, fold
from assess_core.usecases.holds import read_holds
from assess_core.usecases.ids import optional, required
from assess_core.usecases.tickets import compared

MOST_FAILED: Final = 50
"""The most failed events of a page: an event has at most 1 MB, most have 3 kB."""
MOST_REPLAYED: Final = 1000
"""The most events of one replay, so that it ends before the deadline of a request."""
MOST_ENTRIES: Final = 1000
MOST_TICKETS: Final = 100
MOST_DIFFERENCES: Final = 1000
MOST_SEALS: Final = 1000
MOST_CORRECTIONS: Final = 200
"""A correction has at most 1 MB, most have 300 bytes."""
MOST_COUNTED: Final = 10_000
"""The most failed events that are counted by reason."""

OpenLedger = Callable[[Collection[str]], AbstractContextManager[Ledger]]


class Replayed(NamedTuple):
    """The result of a replay."""

    resolved: int
    failed: int
    """Events that failed again."""
    last: FailedKey | None
    """The last event that was read; None if there is no event after it."""


class Compared(NamedTuple):
    """How the attempts of a ticket differ from those of another moment."""

    added: int
    changed: int
    gone: int
    differences: list[Difference]
    """The first ones."""


class Steps(NamedTuple):
    """What archive, verify, clear and restore did since a moment."""

    by_day: list[tuple[str, Action, int]]
    """Each day in UTC (`2025-01-31`) and action, with the number of slices; the newest day first."""
    newest: list[ManifestEntry]
    """The newest first."""


class Reasons(NamedTuple):
    """The failed events by reason."""

    by_reason: list[tuple[str, int]]
    """The most frequent reason first."""
    counted: int
    is_cut: bool
    """Whether there are more events than were counted."""


class Operating:
    """Answers operators and auditors. Threads can share an object. Methods raise `StoreUnavailable`."""

    def __init__(
        self,
        stores: Stores,
        open_ledger: OpenLedger,
        now: Callable[[], int],
        facts: Facts | None = None,
    ) -> None:
        self.now = now
        self._stores = stores
        self._open_ledger = open_ledger
        self._facts = facts

    def failed_events(
        self, first: int, after: FailedKey | None = None, reason: Reason | None = None
    ) -> list[FailedEvent]:
        """The first unresolved failed events after a key, optionally of one reason.

        The cost does not grow with the events before the key, but with those of other reasons after it.
        """
        _check(first, MOST_FAILED)
        return list(islice((event for event in self._failed_after(after) if reason in (None, event.reason)), first))

    def failed_reasons(self, most: int = MOST_COUNTED) -> Reasons:
        """How many failed events there are of each reason, among the first ones."""
        events = self._failed_after(None)
        found = Counter(event.reason.value for event in islice(events, most))
        by_reason = sorted(found.items(), key=lambda item: (-item[1], item[0]))
        return Reasons(by_reason, found.total(), next(events, None) is not None)

    def replay(self, first: int, after: FailedKey | None, *, check_question_count: bool) -> Replayed:
        """Fold failed events again, at most `first`; stored events are resolved."""
        _check(first, MOST_REPLAYED)
        if check_question_count and self._facts is None:
            raise BadRequest("checkQuestionCount needs facts; set ASSESS_FACTS, or leave it out")
        checks = Checks(self._facts or NoFacts(), check_question_count, self._stores.keys)
        events = self._failed_after(after)
        last: FailedKey | None = None

        def records() -> Iterator[Record]:
            nonlocal last
            for event in islice(events, first):
                last = event.key
                yield event.record

        tally = replay(records(), self._stores.hot, checks)
        more = next(events, None) is not None
        return Replayed(tally.events - tally.failed, tally.failed, last if more else None)

    def holds(self) -> list[Hold]:
        """The holds that are in force, oldest first. Raises `BadHold`."""
        return read_holds(self._stores.hot, self.now())

    def erasures(self, first: int) -> list[Erasure]:
        """The newest orders to erase a learner, oldest first. They name nobody."""
        _check(first, MOST_ENTRIES)
        return read_erasures(self._stores.hot)[-first:]

    def manifest(self, slice_: ArchiveSlice, first: int) -> list[ManifestEntry]:
        """The newest entries of a slice's chain, oldest first. Raises `UnknownBatch`."""
        _check(first, MOST_ENTRIES)
        entries = self._stores.lake.manifest([slice_])
        if not entries:
            require_known([slice_], self._stores)
        return entries[-first:]

    def steps(self, since: int, first: int) -> Steps:
        """What was done with slices since a moment (epoch ms), and its newest entries. Costs grow with these slices."""
        _check(first, MOST_ENTRIES)
        lake = self._stores.lake
        entries = [entry for entry in lake.manifest(lake.recorded_since(since)) if entry.at >= since]
        days = Counter((iso(entry.at)[:10], entry.action) for entry in entries)
        by_day = sorted(((day, action, slices) for (day, action), slices in days.items()), key=lambda found: found[1])
        by_day.sort(key=lambda found: found[0], reverse=True)
        return Steps(by_day, sorted(entries, key=lambda entry: entry.at, reverse=True)[:first])

    def corrections(self, first: int, assessment_id: str | None = None) -> list[Entered]:
        """The newest corrections, also reverted ones, optionally of an assessment, in the order in which they apply.

        Raises `NotOurTable` if a record cannot be read.
        """
        _check(first, MOST_CORRECTIONS)
        asked = optional("assessmentId", assessment_id)
        found = all_entered(self._stores.hot.register)
        return [one for one in found if asked in (None, one.decided.correction.assessment)][-first:]

    def newest_seals(self, first: int) -> list[Seal]:
        """The newest seals, oldest first."""
        _check(first, MOST_SEALS)
        return [stored.seal for stored in self._stores.lake.seals.all()[-first:]]

    def seal_proof(self, slice_: ArchiveSlice, at: str | None) -> seals.Inclusion:
        """The proof that a seal (the newest one) contains a slice. Raises `BadSeal`, `UnknownSeal`, `SealBroken`."""
        return seals.prove(self._stores.lake, slice_, self._seal(at))

    def seal_consistency(self, since: str, at: str | None) -> seals.Consistency:
        """The proof that a seal (the newest one) only added entries to an older one. Raises as `seal_proof`."""
        return seals.prove_consistency(self._stores.lake, parse_seal(since), self._seal(at))

    def _seal(self, text: str | None) -> Seal:
        return seals.newest(self._stores.lake) if text is None else parse_seal(text)

    def balance(self, batch_id: str) -> Balance:
        """The balance of a batch. It scans the maps of all learners. Raises `UnknownBatch`."""
        batch_id = required("batchId", batch_id)
        with self._open_ledger([batch_id]) as ledger:
            found = balance(self._stores, ledger)
            require_known_batches(found, self._stores)
            return found

    def tickets(self, first: int, after: str) -> list[Ticket]:
        """The tickets after an id, oldest first. Raises `BadTicket` if one cannot be read."""
        _check(first, MOST_TICKETS)
        if after:
            parse_id(after)
        return list(islice((found for found in self._stores.lake.tickets.all() if found.id > after), first))

    def ticket(self, id_: str) -> Ticket:
        """A ticket. Raises `BadTicket`, `UnknownTicket`."""
        return self._stores.lake.tickets.read(parse_id(id_))

    def ticket_diff(self, id_: str, other: str, first: int) -> Compared:
        """The differences of a ticket, counted, and the first of them. Raises the errors of `tickets.compared`."""
        _check(first, MOST_DIFFERENCES)
        counts = dict.fromkeys(Change, 0)
        listed: list[Difference] = []
        with compared(self._stores, id_, other, self.now()) as found:
            for difference in found:
                checkpoint()
                counts[difference.change] += 1
                if len(listed) < first:
                    listed.append(difference)
        return Compared(counts[Change.ADDED], counts[Change.CHANGED], counts[Change.GONE], listed)

    def _failed_after(self, after: FailedKey | None) -> Iterator[FailedEvent]:
        for event in self._stores.hot.failed(after):
            checkpoint()
            yield event


def replay(
    records: Iterable[Record], hot: HotStore, checks: Checks, advance: Callable[[int], object] = lambda _: None
) -> Tally:
    """Fold records again in batches of bounded size. `advance` gets the size of each batch."""
    tally = Tally()
    for batch in bounded(records, BATCH_RECORDS, lambda record: len(record.raw), BATCH_BYTES):
        tally.add(fold(map(decode, batch), hot, checks))
        advance(len(batch))
    return tally


def _check(first: int, most: int) -> None:
    if not 1 <= first <= most:
        raise BadRequest(f"first: {first} is not between 1 and {most}")
