"""What the balance sheet asks of the place where its sets of keys are kept."""

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
    """A summary names it, and it is in neither tier."""
    UNNAMED = "unnamed"
    """It is in a tier, and no summary names it: written, not yet named."""
    NOT_STORED = "not_stored"
    """The log's position has passed it, and it is neither a version nor a failed event."""
    TOO_MANY = "too_many"
    """It is stored or set aside, and the log, which still holds that time, never had it."""


class LogOffset(NamedTuple):
    """Where a record stands in a log."""

    topic: str
    partition: int
    offset: int


class Difference(NamedTuple):
    """One version or event that stands on one side alone."""

    what: Fault
    slice: ArchiveSlice | None
    """By the earliest receipt that is known; None for an event that is no version."""
    key: AttemptKey | None
    content_hash: bytes | None
    tiers: tuple[str, ...]
    """Where it is: `hot`, `lake`."""
    place: LogOffset | None
    """Where it stands in the log, as far as that is known."""
    batch_id: str | None
    """None where a failed event names no batch."""


class LogSheet(NamedTuple):
    """A batch beside the log: accepted + older + too_many = named + unnamed + failed + not_stored."""

    accepted: int
    """Distinct events that the log holds and its position has passed: versions, and failed ones."""
    older: int
    """Versions and failed events received before the log begins."""
    too_many: int
    not_stored: int


class Sheet(NamedTuple):
    """The numbers of a batch, in versions: named = hot_only + lake_only + both + missing."""

    batch_id: str | None
    """None: failed events that name no batch."""
    named: int = 0
    """Distinct versions that the summaries name, by key and content hash."""
    hot_only: int = 0
    lake_only: int = 0
    both: int = 0
    """Of the named ones: in the hot store alone, in the lake alone, in both."""
    missing: int = 0
    """Named, and in neither."""
    unnamed: int = 0
    """In a tier, and not named."""
    failed: int = 0
    """Failed events that are not mended."""
    log: LogSheet | None = None

    @property
    def wrong(self) -> dict[Fault, int]:
        """How many versions and events stand on one side alone."""
        log = self.log or LogSheet(0, 0, 0, 0)
        return {
            Fault.MISSING: self.missing,
            Fault.UNNAMED: self.unnamed,
            Fault.NOT_STORED: log.not_stored,
            Fault.TOO_MANY: log.too_many,
        }

    @property
    def balanced(self) -> bool:
        """Whether nothing does."""
        return not any(self.wrong.values())


NUMBERS: Final = ("named", "hot_only", "lake_only", "both", "missing", "unnamed", "failed")


class Logged(NamedTuple):
    """A record of the log, as the ledger keeps it."""

    place: FailedKey
    folded: bool
    """Whether the stream's position has passed it."""
    batch_id: str | None
    received_at: int | None
    version: tuple[AttemptKey, bytes] | None
    """None for one that cannot be understood."""


class Rejected(NamedTuple):
    """A failed event, as the ledger keeps it."""

    place: FailedKey
    batch_id: str | None
    received_at: int | None


class Ledger(Protocol):
    """Sets of keys of some batches, on disk where they are large. Methods raise `StoreUnavailable` without room."""

    def rejected(self, events: Iterable[Rejected]) -> None:
        """The failed events."""
        ...

    def name(self, entries: Iterable[Entry]) -> None:
        """What the maps name."""
        ...

    def store(self, hot: HotStore, lake: Lake) -> list[str]:
        """What the tiers hold, hot store first; returns a sentence for each file of the lake that cannot be read."""
        ...

    def unnamed(self) -> Iterator[tuple[AttemptKey, bytes]]:
        """The versions (key, content hash) that a tier holds and no map names, by learner."""
        ...

    def name_late(self, versions: Sequence[tuple[AttemptKey, bytes]]) -> None:
        """Some of `unnamed` are named by now."""
        ...

    def log(self, records: Iterable[Logged]) -> None:
        """A part of the log."""
        ...

    def close_log(self, begins: int | None) -> None:
        """That was all of it; it may have lost what was received before `begins` (epoch ms; None: nothing)."""
        ...

    def sheets(self) -> list[Sheet]:
        """By batch id; what names no batch comes last."""
        ...

    def differences(self, first: int | None = None) -> Iterator[Difference]:
        """By kind, batch, learner; at most `first` of each kind."""
        ...

    def take_missing(self, hashes: Sequence[bytes]) -> dict[bytes, int]:
        """Of these content hashes those of missing versions, each with the receipt that the map names (epoch ms).

        Each is given once: whoever takes it writes it.
        """
        ...
