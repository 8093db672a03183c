"""What the core asks of the lake; like all ports, narrower than any adapter (see ports.py)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from assess_core.domain.attempts import RowKey
from assess_core.domain.manifest import Contents, ManifestEntry
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.ports.findings import Finding

if TYPE_CHECKING:
    import pyarrow as pa

    from assess_core.ports.hot_store import HotStore


FILE_BYTES: Final = 32 * 1024 * 1024
"""How large a file should be: some 100,000 attempts with answers; reading a batch of it takes 60 ms."""


class LakeFile(NamedTuple):
    """One Parquet file of the lake's `attempts`."""

    url: str
    """What DuckDB reads: an absolute path or an s3:// URL."""
    week: IsoWeek
    rows: int
    bytes: int


class Place(Protocol):
    """Where the files of a lake are."""

    @property
    def url(self) -> str:
        """An absolute path or an s3:// URL, without a slash at its end."""
        ...


class Pinned(Protocol):
    """The lake's `attempts` at one version: what was read once can be read again."""

    @property
    def version(self) -> int:
        """The Delta version; -1 while there is no table."""
        ...

    @property
    def place(self) -> Place:
        """Where the files are."""
        ...

    def files(self, weeks: Collection[IsoWeek] | None = None) -> list[LakeFile]:
        """The files of these weeks (of all, when None), in a stable order."""
        ...


class Missing(NamedTuple):
    """The rows of the hot store that the lake's files do not hold."""

    rows: "pa.RecordBatchReader"
    """Shape `stores.rows.LAKE_SCHEMA`; read from the hot store as this is read."""
    counts: Mapping[ArchiveSlice, int]
    """How many there are of each slice: right once `rows` was read to its end."""


class Compared(NamedTuple):
    """The hot rows of slices, beside what the lake's files hold."""

    held: Mapping[ArchiveSlice, int]
    """How many of a slice's rows the files hold, receipt included; a slice without hot rows is left out."""
    left: Mapping[ArchiveSlice, int]
    """How many they do not hold."""
    keys: Iterator[list[RowKey]]
    """The keys of those that they hold, in chunks, each of one slice."""


class Copies(Protocol):
    """What the files of a pinned lake hold of some slices: read once, then held still.

    Two rows of one version and one receipt are one copy. Raises `StoreUnavailable` when there is no room to compare.
    """

    def contents(self) -> dict[ArchiveSlice, Contents]:
        """Of every slice that was asked for, measured from the files."""
        ...

    def damaged(self) -> dict[ArchiveSlice, str]:
        """The slices with rows whose columns do not give their content hash, each with what is wrong.

        Empty unless the copies were opened `proved`.
        """
        ...

    def files(self) -> dict[ArchiveSlice, dict[str, str]]:
        """The files that hold rows of a slice, by name, each with the SHA-256 of its bytes (hex)."""
        ...

    def missing(self, hot: "HotStore") -> Missing | None:
        """The hot rows of these slices that the files do not hold; None when they hold them all."""
        ...

    def compare(self, hot: "HotStore") -> Compared:
        """Read the hot rows of these slices to their end and look each up among the copies."""
        ...


class Lake(Protocol):
    """Attempts for good: Delta tables `attempts` and `archive_manifest` at a path or s3://."""

    def pin(self, version: int | None = None) -> Pinned:
        """The newest version, or a given one. Raises `NotOurTable`."""
        ...

    def append(self, pinned: Pinned, slices: Collection[ArchiveSlice], rows: "pa.RecordBatchReader") -> int:
        """Append versions of these slices in one commit; returns the new Delta version.

        `rows` has the shape `stores.rows.LAKE_SCHEMA`. What to append was decided by reading `pinned`; if any of the
        slices got another commit since, nothing is written and `LakeConflict` is raised: pin, read, decide again.
        """
        ...

    def copies(
        self, pinned: Pinned, slices: Collection[ArchiveSlice], *, proved: bool = False
    ) -> AbstractContextManager[Copies]:
        """Read what the pinned files hold of these slices: of one week, or memory grows with the weeks.

        `proved` reads every column and computes every content hash again. Raises `VerifyFailed` naming the first file
        that is missing or cannot be read.
        """
        ...

    def manifest(self) -> list[ManifestEntry]:
        """All entries of `archive_manifest`, oldest first."""
        ...

    def record(self, entries: Sequence[ManifestEntry]) -> None:
        """Append manifest entries in one commit."""
        ...

    def slices(self, pinned: Pinned, week: IsoWeek) -> list[ArchiveSlice]:
        """The slices of which the pinned files of a week hold rows. Raises as `copies`."""
        ...

    def repeated(self, pinned: Pinned, week: IsoWeek) -> int:
        """How many rows of the pinned files of a week are written somewhere else too, version and receipt alike."""
        ...

    def rewritten(self, pinned: Pinned, week: IsoWeek) -> AbstractContextManager[Pinned]:
        """The rows of a week, each copy once, by batch, then learner, in files that are no part of the lake yet."""
        ...

    def replace(self, pinned: Pinned, week: IsoWeek, draft: Pinned) -> int:
        """Put a draft of a week in the place of its pinned files, in one commit; returns the new Delta version.

        Raises `LakeConflict` when somebody else changed the week since: pin and write it anew.
        """
        ...

    def vacuum(self, retain: int, dry_run: bool) -> list[str]:
        """Delete files that left the table more than `retain` ms ago, or only name them."""
        ...

    def examine(self) -> Iterator[Finding]:
        """How the lake is: for `doctor`."""
        ...
