"""What reports, pages and answers are read from, and where report files are written to."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.ports.findings import Finding


class Received(NamedTuple):
    """A version, and the week in which it was received."""

    user_id: str
    content_hash: bytes
    week: IsoWeek


class Union(Protocol):
    """Hot store ∪ lake, held still: what a report, a page or an answer is read from.

    The hot store was read first and to its end, then the lake was pinned (design section 3, rule 4). SQL sees the views

        copies    every row of both tiers: the columns of `stores.rows.LAKE_SCHEMA`, and `tier` ('hot' or 'lake')
        versions  one row per distinct version, of its copies the one with the earliest receipt
        newest    the newest version of each attempt key, and `versions`, how many distinct versions the attempt has
    """

    @property
    def lake_version(self) -> int:
        """The Delta version that was pinned; -1 where there was no table."""
        ...

    def rows(self, sql: str, parameters: Mapping[str, object] | None = None) -> Iterator[dict[str, object]]:
        """The rows of a query, fetched in batches."""
        ...

    def received(self, weeks: Collection[IsoWeek]) -> "Iterator[Received]":
        """The versions of these weeks, ordered by learner; each with the week of its earliest copy here."""
        ...

    def weekly_activity(self, weeks: Collection[IsoWeek], without: Collection[bytes]) -> "list[WeeklyActivity]":
        """The activity of these weeks, by week, then batch, without the versions of these content hashes."""
        ...

    def copy(self, sql: str, target: Path, options: str, parameters: Mapping[str, object] | None = None) -> int:
        """Write a query's rows to a file by `COPY ... (options)`; returns how many."""
        ...


class Unions(Protocol):
    """Opens unions of some of the slices."""

    def __call__(
        self, *, batch_id: str | None = None, weeks: Collection[IsoWeek] | None = None
    ) -> AbstractContextManager[Union]:
        """The slices of a batch, or of some weeks, or of both; all of them when nothing is asked."""
        ...


class Exhausts(Protocol):
    """Where reports are written to: a folder, or a prefix of a bucket. Names are relative, with `/` between parts."""

    def path(self, name: str) -> str:
        """What a person calls the report of this name: an absolute path, or an s3:// URL."""
        ...

    def atomic_write(self, name: str) -> AbstractContextManager[Path]:
        """A local temporary file; at the end of the block it becomes the report, and where the block fails it goes.

        The report appears whole or not at all. Raises `StoreUnavailable`, `ReportFailed`.
        """
        ...

    def examine(self) -> Iterator[Finding]:
        """How the place is: for `doctor`."""
        ...


class WeeklyActivity(NamedTuple):
    """What a batch did in a week."""

    slice: ArchiveSlice
    attempts: int
    """Attempts of which a version was first received in the week."""
    learners: int
    mean_score: float
    """Mean of `total_score` over those attempts, each by its newest version within the week."""


class WeeklyTable(Protocol):
    """Where weekly activity is kept: the Delta table `weekly_activity`, beside `attempts`."""

    def replace(self, weeks: Collection[IsoWeek], rows: Sequence[WeeklyActivity]) -> int:
        """Put these rows in the place of all that the table says of these weeks; returns their size in bytes.

        Raises `NotOurTable`, `LakeConflict`, `StoreUnavailable`.
        """
        ...

    def rows(self) -> list[WeeklyActivity]:
        """All rows, by week, then batch."""
        ...
