"""What the core needs to erase learners: the ring of secret keys, and the traces that they leave outside of answers."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from assess_core.ports.requests import Requests


class Keys(Protocol):
    """The ring of keys. It only grows: orders under an older key stay valid."""

    def all(self) -> tuple[str, ...]:
        """The keys, the current one first; none if there is no ring yet. Raises `BadSettings`."""
        ...

    def create(self) -> tuple[str, ...]:
        """The keys, after making the first one if there is none. Raises `BadSettings`."""
        ...


class NoKeys:
    """An empty ring that stays empty."""

    def all(self) -> tuple[str, ...]:
        return ()

    def create(self) -> tuple[str, ...]:
        return ()


NO_KEYS: Final[Keys] = NoKeys()


class StoredFile(NamedTuple):
    """A file of the lake's `attempts` or `scores` that is stored, whether or not the newest version has it."""

    name: str
    """Within `attempts`; `scores/...` within `scores`."""
    sha256: str
    rows: int
    """How many rows of the searched learners it holds; of a rewritten file, how many rows it holds."""
    bytes: int


class Text(NamedTuple):
    """A part of what is stored."""

    bytes: bytes
    is_raw: bool = False
    """Whether these are bytes of a file as they are, and not values that were decoded from it."""


class LakeTraces(Protocol):
    """The traces of learners in the files of a lake. Methods raise `StoreUnavailable`."""

    def announce(self) -> None:
        """Refuse every commit to `attempts` and `scores` that was prepared before this call.

        Whoever prepared it gets `LakeConflict`, and reads the hot store again.
        """
        ...

    def learners(self) -> Iterator[list[str]]:
        """All learners with rows in stored files, each once, in chunks."""
        ...

    def stored(self, user_ids: Collection[str]) -> list[StoredFile]:
        """The stored files with rows of these learners, also those that no version has any more.

        Raises `ErasureRefused` if one cannot be read.
        """
        ...

    def rewrite(self, name: str, user_ids: Collection[str]) -> StoredFile:
        """Store a copy of a file without these learners beside it; returns the copy.

        The copy belongs to no version of the table. Raises `ErasureRefused` if the file cannot be read.
        """
        ...

    def rows_of(self, rows: Path, user_ids: Collection[str]) -> int:
        """The number of rows of these learners in a local Parquet file."""
        ...

    def rows_without(self, rows: Path, user_ids: Collection[str]) -> "AbstractContextManager[StoredFile]":
        """A local copy of a local Parquet file without these learners, until the block ends. Its name is its path."""
        ...

    def forget_history(self) -> None:
        """Delete the entries of Delta's logs before the newest version: their statistics hold ids of learners.

        Also deletes temporary files. A process that is writing one then fails, and says so.
        """
        ...

    def texts(self) -> "Iterator[tuple[str, Iterator[Text]]]":
        """Everything in the lake's folder: the name of each file, and what is in it, decoded and as it is."""
        ...


class RunHistory(Protocol):
    """What the scheduler remembers of its runs."""

    @property
    def remaining(self) -> str:
        """What must be done elsewhere, as a sentence; empty if nothing must."""
        ...

    def texts(self) -> "Iterator[tuple[str, Iterator[Text]]]":
        """The name of each file, and what is in it, decoded and as it is."""
        ...

    def erase(self, are_in: Callable[[bytes], bool]) -> list[StoredFile]:
        """Delete what mentions learners. Raises `StoreUnavailable`."""
        ...


class Besides(NamedTuple):
    """What can mention learners, besides the stores."""

    requests: Requests
    runs: RunHistory


class HotErased(NamedTuple):
    """What a hot store has deleted of learners."""

    rows: int = 0
    entries: int = 0
    """Of the maps."""
    summaries: int = 0
    activities: int = 0
