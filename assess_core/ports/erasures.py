"""What the core needs to erase learners: the ring of secret keys, and the traces that they leave outside of answers."""

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from assess_core.domain.slices import ArchiveSlice, IsoWeek

if TYPE_CHECKING:
    from assess_core.ports.lake import Pinned


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
    """A file of the lake's `attempts` that is stored, whether or not the newest version has it."""

    name: str
    """Within `attempts`."""
    sha256: str
    rows: int
    """How many rows of the searched learners it holds."""
    bytes: int = 0
    all_rows: int = 0


class LakeTraces(Protocol):
    """The traces of learners in the files of a lake. Methods raise `StoreUnavailable`, `VerifyFailed`."""

    def announce(self, slices: Collection[ArchiveSlice]) -> None:
        """Refuse the commit of every archive of these slices that has begun before this call.

        It raises `LakeConflict`, so that it reads the hot store again.
        """
        ...

    def weeks(self, pinned: "Pinned", user_ids: Collection[str]) -> list[IsoWeek]:
        """The weeks with rows of these learners in the pinned files. Reads one column."""
        ...

    def without(self, pinned: "Pinned", week: IsoWeek, user_ids: Collection[str]) -> "AbstractContextManager[Pinned]":
        """A draft of a week without these learners, for `Lake.replace`."""
        ...

    def stored(self, names: Collection[str] | None, user_ids: Collection[str]) -> list[StoredFile]:
        """The stored files (of these names) with rows of these learners, also those that no version has any more."""
        ...

    def rewrite(self, name: str, user_ids: Collection[str]) -> StoredFile:
        """Store a copy of a file without these learners beside it; returns the copy. It does not belong to the table."""
        ...

    def forget_history(self) -> None:
        """Delete the entries of Delta's log before the newest version: their statistics hold ids of learners."""
        ...

    def texts(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Everything in the lake's folder, decoded: the name of each file, and its texts.

        Of a Parquet file: each value of text and bytes, each page's dictionary, and each statistic of its footer.
        """
        ...


class HotErased(NamedTuple):
    """What a hot store has deleted of learners."""

    rows: int = 0
    entries: int = 0
    """Of the maps."""
    summaries: int = 0
    activities: int = 0
