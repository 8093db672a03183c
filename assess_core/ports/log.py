"""What the core needs from a log of events: a folder of files, or a Kafka topic."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from assess_core.domain.events import FailedEvent, Record
from assess_core.domain.slices import Unread
from assess_core.ports.findings import Finding

if TYPE_CHECKING:
    from concurrent.futures import Future


# of a batch if the log is behind: with 4,000, a store takes a third less time per event than with 1,000
BATCH_RECORDS: Final = 4000
BATCH_BYTES: Final = 16 * 1024 * 1024  # a batch exceeds this by at most one record, so memory is bounded

Notify = Callable[[str], None]
"""Progress messages for the terminal."""


class Position(NamedTuple):
    """The position up to which a log file was folded: the next line (from 1) and the byte where it starts."""

    line: int
    byte: int
    proof: bytes = b""
    """A digest that identifies the file. If it is empty, the file is unknown and is read from its start."""


class Positions(Protocol):
    """The store of the positions of a log folder: the hot store, which gets them after the rows."""

    def positions(self) -> dict[str, Position]:
        """The positions, by topic (the real path of a file)."""
        ...

    def commit(self, positions: Mapping[str, Position]) -> None:
        """Store these positions. Everything before them must be in the hot store already."""
        ...


class LogBatch(NamedTuple):
    """Records of the log in order, which are folded as a whole."""

    records: list[Record]
    ends: dict[str, Position]
    """By file, the position after these records. Blank lines move it too, so a batch can have no record."""
    size: int
    """The number of bytes of the log that the batch covers."""


class Feed(Protocol):
    """Follows a worker's share of the log. Records can be delivered again until `done` was called for their batch."""

    def batches(self) -> Iterator[LogBatch]:
        """All batches that the log has now. Raises `BadLog`, `StoreUnavailable`."""
        ...

    def done(self, batch: LogBatch, failed: Sequence[FailedEvent]) -> None:
        """Commit the position after this batch, which is in the hot store. `failed` are its failed events.

        Raises `StoreUnavailable`; the call can then be repeated.
        """
        ...

    def heartbeat(self) -> None:
        """Keep the group membership alive while a batch waits for a store."""
        ...

    def close(self) -> None:
        """Release the share, so that other members can take it over."""
        ...


class Message(NamedTuple):
    """An event on its way into the log."""

    user_id: str
    value: bytes
    """One JSON object, as the client sent it."""
    request_id: str = ""
    """The id of its request, to trace it through the log."""
    trace: str = ""
    """The trace of its request (W3C `traceparent`); empty if there is none. Kafka keeps it, a folder does not."""


class Intake(Protocol):
    """Where events enter the log."""

    def append(self, messages: Sequence[Message]) -> "Future[None]":
        """Append messages; the future is done when the log has stored all of them.

        Raises `Overloaded` immediately if the queue is full. The future raises `StoreUnavailable` if the log did not
        confirm all messages; it may have stored some of them.
        """
        ...

    def close(self) -> None:
        """Wait until the accepted messages are stored, then stop."""
        ...


class Part(NamedTuple):
    """A part of a log: a partition of a topic, or a folder of files."""

    cut: bool
    """Whether records may have been removed from the start of the part."""
    batches: Iterator[LogBatch]
    """From its start to its end at the time of reading."""


class Retained(NamedTuple):
    """The records that a log still has."""

    folded: Mapping[tuple[str, int], int]
    """By topic and partition, the next offset to fold at the time of the call."""
    parts: Iterator[Part]
    """Read the parts one after the other. Raises `BadLog`, `StoreUnavailable`."""


class Backlog(NamedTuple):
    """How much of a part of a log is not folded yet."""

    partition: str
    """The partition of a topic; `folder` for a folder."""
    unread: int
    unit: str
    """`records` or `bytes`."""


class EventFiles(Protocol):
    """Event files that a user named, read from their start."""

    @property
    def size(self) -> int:
        """The total size in bytes; 0 if it is unknown, as for standard input."""
        ...

    def batches(self, worker: int = 0, workers: int = 1) -> Iterator[LogBatch]:
        """The events of a worker's share of the files. A last line without a line end counts as a line.

        If a file cannot be read, delivers everything before it, then raises `BadLog` naming the file.
        """
        ...


class Log(Protocol):
    """Where events wait to be folded: a folder of files, or a Kafka topic."""

    def unread(self) -> Unread | None:
        """The events that are not folded yet; None if there are none. Raises `BadLog`, `StoreUnavailable`."""
        ...

    def backlog(self) -> list[Backlog]:
        """How much of each part is not folded yet, 0 included. Raises `BadLog`, `StoreUnavailable`."""
        ...

    def ignored(self) -> str | None:
        """A sentence about the files of the log that are never read; None if there are none. Raises `BadLog`."""
        ...

    def feed(self, notify: Notify, worker: int = 0, workers: int = 1) -> Feed:
        """A worker's share of the log."""
        ...

    def retained(self) -> Retained:
        """The records that the log still has, for an audit. The stream and its positions are not affected.

        The positions are read now, the records only when they are iterated. Raises `BadLog`, `StoreUnavailable`.
        """
        ...

    def received_at(self, moments: Collection[int]) -> Iterator[LogBatch]:
        """The records that may have been received at one of these moments (epoch ms), the likely ones first.

        May deliver other records too; the caller stops when it has read enough. Raises `BadLog`, `StoreUnavailable`.
        """
        ...

    def intake(self) -> Intake:
        """Open the log so that this process can append to it. Raises `StoreUnavailable`."""
        ...

    def examine(self) -> Iterator[Finding]:
        """What `assess doctor` reports about the log."""
        ...
