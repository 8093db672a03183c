"""Use case: the balance sheet (rule 7). Every accepted event is stored or failed, and every difference is reported.

Per batch, the versions that the summaries name must be exactly the versions in hot store and lake. While the log is
retained: distinct accepted events + imported versions = versions + failed events + events of erased learners.
Everything is counted by key, so replays and repeats change nothing.

This order of reads prevents false alarms while a stream, archive or clear is running:

    positions of the log    events before them are stored, so the following reads see them
    failed events           an event that is resolved after this read is in the tiers, which are read later
    maps                    all of them: every version that a map names is already in a tier
    hot store, then lake    rows that a clear deletes are in the lake already (rule 4)
    maps, again             for learners with unnamed rows: a writer may have written the row but not yet the entry
    log                     to its end: it contains every stored event
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from assess_core.chunks import chunks
from assess_core.domain.counts import counted
from assess_core.domain.events import (
    Accepted,
    Decoded,
    FailedEvent,
    FailedKey,
    Recompute,
    batch_of,
    decode,
    learner_of,
    raw_hash,
)
from assess_core.errors import UnknownBatch
from assess_core.ports.cancelling import checkpoint
from assess_core.ports.hot_store import HotStore, Learner
from assess_core.ports.ledger import NUMBERS, Fault, Ledger, Logged, LogSheet, Rejected, Sheet
from assess_core.ports.log import Part, Retained
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import known
from assess_core.usecases.erased import erased_under, keys_in_use

_REREAD_WAITS: Final = (0.0, 1.0, 3.0)
"""Seconds before each new read of the maps: a writer needs some ms between the rows of a batch and its entries."""
_CHUNK: Final = 500
"""The number of versions whose learners are read together."""


class Balance(NamedTuple):
    """The balance sheets; the ledger has the differences."""

    sheets: list[Sheet]
    unreadable: list[str]
    """A sentence for each file of the lake that cannot be read. Its rows count as missing."""

    @property
    def balanced(self) -> bool:
        """Whether every batch is balanced and every file can be read."""
        return not self.unreadable and all(sheet.balanced for sheet in self.sheets)

    @property
    def total(self) -> Sheet:
        """The sum of all batches."""
        return total(self.sheets)


def total(sheets: Sequence[Sheet]) -> Sheet:
    """The sum of these sheets."""
    logs = [sheet.log for sheet in sheets if sheet.log is not None]
    log = LogSheet(*(sum(column) for column in zip(*logs, strict=True))) if logs else None
    numbers = {name: sum(getattr(sheet, name) for sheet in sheets) for name in NUMBERS}
    return Sheet(None, **numbers, log=log)


def balance(
    stores: Stores,
    ledger: Ledger,
    *,
    against_log: bool = False,
    wait: Callable[[float], None] = time.sleep,
) -> Balance:
    """Compute the balance of the batches that the ledger was opened for.

    The maps are scanned once, whatever the number of batches. Raises `StoreUnavailable`, `BadLog`, `NotOurTable`.
    """
    retained = stores.log.retained() if against_log else None
    ledger.rejected(map(_rejected, stores.hot.failed()))
    ledger.name(entry for learner in _all_learners(stores.hot) for entry in learner.entries)
    unreadable = ledger.store(stores.hot, stores.lake)
    for seconds in _REREAD_WAITS:
        if not _reread_maps(stores.hot, ledger, seconds, wait):
            break
    if retained is not None:
        ledger.close_log(_read(retained, ledger, stores))
    return Balance(ledger.sheets(), unreadable)


def _all_learners(hot: HotStore) -> Iterator[Learner]:
    for _, learner in hot.all_learners():
        checkpoint()
        yield learner


def _rejected(event: FailedEvent) -> Rejected:
    return Rejected(event.key, batch_of(event.record), event.received_at)


def _reread_maps(hot: HotStore, ledger: Ledger, seconds: float, wait: Callable[[float], None]) -> bool:
    """Read the maps again for versions that no map named. Returns whether there were any."""
    asked = False
    for some in chunks(ledger.unnamed(), _CHUNK):
        if not asked:
            wait(seconds)
        asked = True
        learners = hot.learners({key.user_id for key, _ in some})
        named = {
            (entry.row_key.key, entry.version.content_hash)
            for learner in learners.values()
            for entry in learner.entries
        }
        ledger.name_late([version for version in some if version in named])
    return asked


def _read(retained: Retained, ledger: Ledger, stores: Stores) -> int | None:
    """Add the log to the ledger. Returns the time when the log begins, or None if it never lost records."""
    begins: int | None = None
    used = keys_in_use(stores.hot, stores.keys)
    for part in retained.parts:
        earliest = _Earliest()
        ledger.log(earliest.of(_logged(part, retained, used, stores.hot, ledger)))
        if part.cut:
            # if a part lost all its records, the time of its beginning is unknown
            begins = max(begins or 0, earliest.at if earliest.at is not None else _NEVER)
    return begins


_NEVER: Final = 1 << 62


class _Earliest:
    """Passes records through and remembers their earliest receipt."""

    def __init__(self) -> None:
        self.at: int | None = None

    def of(self, records: Iterable[Logged]) -> Iterator[Logged]:
        for record in records:
            if record.received_at is not None and (self.at is None or record.received_at < self.at):
                self.at = record.received_at
            yield record


def _logged(part: Part, retained: Retained, used: Sequence[str], hot: HotStore, ledger: Ledger) -> Iterator[Logged]:
    """The records of a part. Those of erased learners go to the ledger by themselves. `used`: the keys in use."""
    for batch in part.batches:
        events = [decode(record) for record in batch.records]
        learners = [learner_of(event) for event in events] if used else []
        erased = erased_under(used, set(filter(None, learners)), hot) if used else set[str]()
        if erased:
            gone = [event for event, learner in zip(events, learners, strict=True) if learner in erased]
            ledger.erased(found for event in gone if (found := _of_log(event, retained)) is not None)
            events = [event for event, learner in zip(events, learners, strict=True) if learner not in erased]
        yield from filter(None, (_of_log(event, retained) for event in events))


def _of_log(event: Decoded, retained: Retained) -> Logged | None:
    """An event of the log as the ledger counts it; None for a request to recompute."""
    record = event.record
    folded = record.offset < retained.folded.get((record.topic, record.partition), 0)
    place = FailedKey(record.topic, record.partition, record.offset, raw_hash(record.raw))
    if isinstance(event, Accepted):
        row = event.version
        return Logged(place, folded, row.key.batch_id, row.received_at, (row.key, row.version.content_hash))
    if isinstance(event, Recompute):
        return None
    return Logged(place, folded, batch_of(record), event.received_at, None)


def unknown(found: Balance, stores: Stores) -> list[str]:
    """The batches of a balance that no store knows."""
    empty = {sheet.batch_id for sheet in found.sheets if sheet.batch_id and not any(_numbers(sheet))}
    return sorted(empty - {slice_.batch_id for slice_ in known(stores)}) if empty else []


def _numbers(sheet: Sheet) -> list[int]:
    return [*(getattr(sheet, name) for name in NUMBERS), *(sheet.log or ())]


def require_known(found: Balance, stores: Stores) -> None:
    """Raise `UnknownBatch` if no store knows a batch of a balance; the message names it."""
    if batches := unknown(found, stores):
        raise UnknownBatch(f"no store knows {', '.join(map(repr, batches[:5]))}; `assess slices` lists the batches")


_ADVICE: Final = {
    Fault.MISSING: "named by a summary and in neither tier: restore the hot store or the lake's files from a backup, "
    "or write the rows again from the log: assess ingest --repair",
    Fault.UNNAMED: "written, not yet named: a writer was killed before it wrote the map entry, or is still writing; "
    "nothing is lost; run a killed `assess import` again; for events, read the log again to add the entries: "
    "assess ingest --repair",
    Fault.NOT_STORED: "consumed by the stream, but neither stored nor failed; "
    "ingest the log again: assess ingest --repair",
    Fault.TOO_MANY: "not in the log, although the log covers that time: ingested from other files, or files of the "
    "log were changed; nothing is lost",
}


def advice(found: Sheet) -> list[str]:
    """A sentence for each kind of fault in a batch or a total: what it means and what to type."""
    nouns = {Fault.NOT_STORED: "event", Fault.TOO_MANY: "version or failed event"}
    return [
        f"{counted(number, nouns.get(what, 'version'))} {_ADVICE[what]}"
        for what, number in found.wrong.items()
        if number
    ]
