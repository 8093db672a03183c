"""The newest version of a Delta table, read once and kept in memory until a newer version exists.

Opening the manifest of 10,000 slices takes 8 ms. A check that no newer version exists takes 0.01 ms in a folder,
and two requests in S3.
"""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from deltalake import DeltaTable

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.lake.tables import OurTable, translated

T = TypeVar("T")


class Held(NamedTuple, Generic[T]):
    """A value of one version of a table."""

    version: int
    mark: object
    """The mark of this version's log file. It changes if the table is restored from a backup or created again."""
    value: T

    @classmethod
    def of(cls, table: DeltaTable, place: Location, value: T) -> "Held[T]":
        """The value of an open table."""
        return cls(table.version(), place.mark(_log_file(table.version())), value)

    def is_newest(self, place: Location) -> bool:
        """Whether the table has no newer version, and was not restored from a backup or created again."""
        # the next file last: if it is missing, this version was the newest one when this read began
        return (
            self.mark is not None
            and place.mark(_log_file(self.version)) == self.mark
            and place.mark(_log_file(self.version + 1)) is None
        )


class Snapshots(Generic[T]):
    """What `read` returns for a table's newest version. The value must be immutable. Any thread may call."""

    def __init__(self, table: OurTable, read: Callable[[DeltaTable], T]) -> None:
        self._table = table
        self._read = read
        self._held: Held[T] | None = None

    def newest(self) -> T | None:
        """The value of the newest version; None if there is no table. Raises `NotOurTable`, `StoreUnavailable`."""
        place = self._table.place
        with translated(place):
            held = self._held
            if held is None or not held.is_newest(place):
                table = self._table.open()
                if table is None:
                    return None
                self._held = held = Held.of(table, place, self._read(table))
        return held.value

    def committed(self, table: DeltaTable) -> None:
        """This process has made a commit: the next read need not open the table. Raises `StoreUnavailable`."""
        with translated(self._table.place):
            self._held = Held.of(table, self._table.place, self._read(table))


def _log_file(version: int) -> str:
    return f"_delta_log/{version:020}.json"
