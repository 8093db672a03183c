"""The ledger: sets of keys from summaries, tiers and log, which the balance sheet compares."""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from assess_core.domain.attempts import AttemptKey
from assess_core.domain.events import FailedKey
from assess_core.domain.scores import Entry
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.hot_store import HotStore
from assess_core.ports.lake import Lake


class Fault(StrEnum):
    """What is wrong with a version or an event."""

    MISSING = "missing"
    """A summary names the version, but neither tier holds it, and retention did not drop its slice."""
    UNNAMED = "unnamed"
    """A tier holds the version, but no summary names it: written, not yet named."""
    NOT_STORED = "not_stored"
    """The stream has consumed the event, but no version and no failed event is stored."""
    TOO_MANY = "too_many"
    """A version or failed event is stored, but the log does not contain it, although the log covers its time."""


class LogOffset(NamedTuple):
    """The position of a record in a log."""

    topic: str
    partition: int
    offset: int


class Difference(NamedTuple):
    """One version or event that only one side has."""

    what: Fault
    slice: ArchiveSlice | None
    """The slice of the earliest known receipt; None if the event is not a version."""
    key: AttemptKey | None
    content_hash: bytes | None
    tiers: tuple[str, ...]
    """The tiers that hold it: `hot`, `lake`."""
    place: LogOffset | None
    """Its position in the log, if known."""
    batch_id: str | None
    """None if a failed event names no batch."""


class LogSheet(NamedTuple):
    """A batch compared with the log.

    accepted + older + imported + too_many = named + unnamed + failed + not_stored + erased.
    """

    accepted: int
    """Distinct events of the log that the stream has consumed: versions and failed events."""
    older: int
    """Other versions and failed events that were received before the log begins."""
    too_many: int
    not_stored: int
    imported: int = 0
    """Versions that are not in the log, because they were imported from old archives."""
    erased: int = 0
    """Distinct events of erased learners, which are not stored."""


class Sheet(NamedTuple):
    """The numbers of a batch, in versions: named = hot_only + lake_only + both + dropped + missing."""

    batch_id: str | None
    """None for failed events that name no batch."""
    named: int = 0
    """Distinct versions that the summaries name, by key and content hash."""
    hot_only: int = 0
    lake_only: int = 0
    both: int = 0
    """Named versions that are only in the hot store, only in the lake, or in both."""
    dropped: int = 0
    """Named versions that neither tier holds, because retention dropped their slice from the lake."""
    missing: int = 0
    """Other named versions that neither tier holds."""
    unnamed: int = 0
    """Versions that a tier holds and no summary names."""
    failed: int = 0
    """Unresolved failed events."""
    log: LogSheet | None = None

    @property
    def wrong(self) -> dict[Fault, int]:
        """The number of versions and events for each kind of fault."""
        log = self.log or LogSheet(0, 0, 0, 0)
        return {
            Fault.MISSING: self.missing,
            Fault.UNNAMED: self.unnamed,
            Fault.NOT_STORED: log.not_stored,
            Fault.TOO_MANY: log.too_many,
        }

    @property
    def balanced(self) -> bool:
        """Whether there are no faults."""
        return not any(self.wrong.values())


NUMBERS: Final = ("named", "hot_only", "lake_only", "both", "dropped", "missing", "unnamed", "failed")


class Logged(NamedTuple):
    """A record of the log."""

    place: FailedKey
    folded: bool
    """Whether the position of the stream is after the record."""
    batch_id: str | None
    received_at: int | None
    version: tuple[AttemptKey, bytes] | None
    """None if the record is not a valid event."""


class Rejected(NamedTuple):
    """A failed event."""

    place: FailedKey
    batch_id: str | None
    received_at: int | None


class Ledger(Protocol):
    """Sets of keys of some batches; large sets are on disk. Methods raise `StoreUnavailable` if there is no room."""

    def rejected(self, events: Iterable[Rejected]) -> None:
        """Add failed events."""
        ...

    def name(self, entries: Iterable[Entry]) -> None:
        """Add the versions that the maps name."""
        ...

    def store(self, hot: HotStore, lake: Lake) -> list[str]:
        """Add the versions in the tiers, hot store first; returns a sentence for each unreadable file of the lake."""
        ...

    def unnamed(self) -> Iterator[tuple[AttemptKey, bytes]]:
        """The versions (key, content hash) that a tier holds and no map names, by learner."""
        ...

    def name_late(self, versions: Sequence[tuple[AttemptKey, bytes]]) -> None:
        """Mark versions of `unnamed` as named, because a map names them now."""
        ...

    def log(self, records: Iterable[Logged]) -> None:
        """Add records of the log."""
        ...

    def erased(self, records: Iterable[Logged]) -> None:
        """Add records of the log that are of erased learners. Call this before `close_log`."""
        ...

    def close_log(self, begins: int | None) -> None:
        """End the log. It may lack events that were received before `begins` (epoch ms; None: it lacks none)."""
        ...

    def sheets(self) -> list[Sheet]:
        """The sheets, ordered by batch id; the sheet without a batch comes last."""
        ...

    def differences(self, first: int | None = None) -> Iterator[Difference]:
        """The differences, ordered by kind, batch and learner; at most `first` of each kind."""
        ...

    def take_missing(self, hashes: Sequence[bytes]) -> dict[bytes, int]:
        """Return the missing versions among these content hashes, each with its receipt from the map (epoch ms).

        Each version is returned once, and the caller must write it.
        """
        ...
