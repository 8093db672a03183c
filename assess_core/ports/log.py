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
    """How far a log file was folded: the next line (from 1) and the byte where it starts."""

    line: int
    byte: int
    proof: bytes = b""
    """A digest that only the same file gives; empty: not known, so the file is read from its start."""


class Positions(Protocol):
    """Where the positions of a log folder are stored: in the hot store, after the rows."""

    def positions(self) -> dict[str, Position]:
        """By topic (a file's real path)."""
        ...

    def commit(self, positions: Mapping[str, Position]) -> None:
        """Everything before these positions is in the hot store."""
        ...


class LogBatch(NamedTuple):
    """Records of the log in order, which are folded as a whole."""

    records: list[Record]
    ends: dict[str, Position]
    """By file, where the log continues after them. Blank lines move it too, so a batch may have no record."""
    size: int
    """How many bytes of the log it covers."""


class Feed(Protocol):
    """A worker's share of the log, which it follows. A record is given again until its batch is done."""

    def batches(self) -> Iterator[LogBatch]:
        """All batches that are there now. Raises `BadLog`, `StoreUnavailable`."""
        ...

    def done(self, batch: LogBatch, failed: Sequence[FailedEvent]) -> None:
        """The batch is in the hot store and `failed` are its failed events; the log continues after it.

        Raises `StoreUnavailable`; then it is safe to call it again.
        """
        ...

    def heartbeat(self) -> None:
        """Keeps the group membership alive while a batch waits for a store."""
        ...

    def close(self) -> None:
        """Give the share up to other members."""
        ...


class Message(NamedTuple):
    """An event on its way into the log."""

    user_id: str
    value: bytes
    """One JSON object, as the client sent it."""
    request_id: str = ""
    """The id of its request, to trace it through the log."""


class Intake(Protocol):
    """Where events enter the log."""

    def append(self, messages: Sequence[Message]) -> "Future[None]":
        """A future that is done when the log has stored all of them. Raises `Overloaded` at once if the queue is full.

        The future raises `StoreUnavailable` if they are not known to be in the log; some of them may be.
        """
        ...

    def close(self) -> None:
        """Wait until the accepted messages are stored, then stop."""
        ...


class Part(NamedTuple):
    """A part of a log: a partition of a topic, or a folder of files."""

    cut: bool
    """Whether records before the first one may have been removed."""
    batches: Iterator[LogBatch]
    """From its start to its end at the time of reading."""


class Retained(NamedTuple):
    """All that a log still has."""

    folded: Mapping[tuple[str, int], int]
    """By topic and partition, the next offset to fold at the time of the call."""
    parts: Iterator[Part]
    """To be read one after the other. Raises `BadLog`, `StoreUnavailable`."""


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
    """Where events wait to be folded: a folder of files, or a Kafka topic."""

    def unread(self) -> Unread | None:
        """The events that are not folded yet; None if there are none. Raises `BadLog`, `StoreUnavailable`."""
        ...

    def ignored(self) -> str | None:
        """Which files of the log are never read, as a sentence; None if there are none. Raises `BadLog`."""
        ...

    def feed(self, notify: Notify, worker: int = 0, workers: int = 1) -> Feed:
        """A worker's share of the log."""
        ...

    def retained(self) -> Retained:
        """All that is still there, for an audit; the stream and its positions are not affected.

        The positions are read now, the records only when they are iterated. Raises `BadLog`, `StoreUnavailable`.
        """
        ...

    def intake(self) -> Intake:
        """A way for this process to append to the log. Raises `StoreUnavailable`."""
        ...

    def examine(self) -> Iterator[Finding]:
        """What `assess doctor` reports about the log."""
        ...
