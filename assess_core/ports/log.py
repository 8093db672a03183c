"""What the core asks of a log of events: a folder of files, or a Kafka topic."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from assess_core.domain.events import FailedEvent, Record
from assess_core.domain.slices import Unread
from assess_core.ports.findings import Finding

if TYPE_CHECKING:
    from concurrent.futures import Future


BATCH_RECORDS: Final = 1000  # a batch is one set of writes: 1,000 take some 60 ms, 10,000 are no faster
BATCH_BYTES: Final = 16 * 1024 * 1024  # with one more record this bounds what is in memory

Notify = Callable[[str], None]
"""Progress messages for the terminal."""


class Position(NamedTuple):
    """How far a log file was folded: the next line (from 1) and the byte where it begins."""

    line: int
    byte: int
    proof: bytes = b""
    """A digest that only the same file gives; empty: not known, so the file is read from its start."""


class Positions(Protocol):
    """Where the positions of an embedded log are kept: in the hot store's own database, after the rows."""

    def positions(self) -> dict[str, Position]:
        """By topic (a file's absolute path)."""
        ...

    def commit(self, positions: Mapping[str, Position]) -> None:
        """Everything before these positions is in the hot store."""
        ...


class LogBatch(NamedTuple):
    """Records of the log in their order: what is folded as a whole."""

    records: list[Record]
    ends: dict[str, Position]
    """By file, where the log goes on after them; also over blank lines, so there may be no record at all."""
    size: int
    """How many bytes of the log it took."""


class Feed(Protocol):
    """A worker's share of the log, followed: every record is given again until its batch is done."""

    def batches(self) -> Iterator[LogBatch]:
        """What is there now; ends when all of it was given. Raises `BadLog`, `StoreUnavailable`."""
        ...

    def done(self, batch: LogBatch, failed: Sequence[FailedEvent]) -> None:
        """The batch is in the hot store, `failed` among its events: the log goes on after it from now on.

        Raises `StoreUnavailable`; to call it again is right.
        """
        ...

    def heartbeat(self) -> None:
        """Called now and then while a batch waits for a store: this process lives, and keeps its share."""
        ...

    def close(self) -> None:
        """Leave the share to others."""
        ...


class Message(NamedTuple):
    """An event on its way into the log."""

    user_id: str
    value: bytes
    """As the client sent it: one JSON object."""
    request_id: str = ""
    """Of the request that brought it, for whoever follows it through the log."""


class Intake(Protocol):
    """Where events enter the log."""

    def append(self, messages: Sequence[Message]) -> "Future[None]":
        """Done when the log has all of them for good; raises `Overloaded` at once when too much is waiting.

        The future raises `StoreUnavailable` when they are not known to be in the log (some may be).
        """
        ...

    def close(self) -> None:
        """Wait for what was taken, then stop."""
        ...


class Part(NamedTuple):
    """A part of a log: a partition of a topic, or a folder of files."""

    cut: bool
    """Whether records that came before the first one may have been removed."""
    batches: Iterator[LogBatch]
    """From its start to its end, as it is when this is read."""


class Retained(NamedTuple):
    """What a log still holds."""

    folded: Mapping[tuple[str, int], int]
    """By topic and partition, the offset that was next when this was asked: what is before it was folded."""
    parts: Iterator[Part]
    """One is read after the other. Raises `BadLog`, `StoreUnavailable`."""


class EventFiles(Protocol):
    """Files of events that a person named, read from their start."""

    @property
    def size(self) -> int:
        """How many bytes they have; 0 if that is not known, as for standard input."""
        ...

    def batches(self, worker: int = 0, workers: int = 1) -> Iterator[LogBatch]:
        """The events of a worker's share of the files. An unfinished last line counts as a line.

        Raises `BadLog` naming the file that cannot be read, after everything before it was given.
        """
        ...


class Log(Protocol):
    """Where events are until they are folded: a folder of files, or a Kafka topic."""

    def unread(self) -> Unread | None:
        """What nobody folded yet; None when that is nothing. Raises `BadLog`, `StoreUnavailable`."""
        ...

    def ignored(self) -> str | None:
        """What lies in the log and is never read, as a sentence; None if there is nothing. Raises `BadLog`."""
        ...

    def feed(self, notify: Notify, worker: int = 0, workers: int = 1) -> Feed:
        """The share of a worker of this process."""
        ...

    def retained(self) -> Retained:
        """All that is still there, for an audit: read beside the stream, whose positions stay as they are.

        The positions are read now, the records when they are asked for. Raises `BadLog`, `StoreUnavailable`.
        """
        ...

    def intake(self) -> Intake:
        """A way into the log, for this process. Raises `StoreUnavailable`."""
        ...

    def examine(self) -> Iterator[Finding]:
        """How the log is: for `doctor`."""
        ...
