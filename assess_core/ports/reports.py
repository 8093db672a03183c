"""The union, from which reports, pages and answers are read, and the outputs, to which reports are written."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.completeness import Content
from assess_core.domain.corrections import Correction, Totals
from assess_core.domain.names import NamesRead
from assess_core.domain.report_formats import Password
from assess_core.domain.report_spec import ReportSpec
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.domain.ticket_diff import AttemptState
from assess_core.domain.tickets import SealedFile
from assess_core.ports.erasures import Text
from assess_core.ports.findings import Finding
from assess_core.ports.hot_store import AttemptRange
from assess_core.ports.names import Names


class BatchNumbers(msgspec.Struct):
    """The numbers of a batch. `sum_of_scores` can overflow; `sum_of_parts` is the mean, computed without that sum."""

    attempts: int
    learners: int
    assessments: int
    sum_of_scores: float | None
    sum_of_parts: float | None
    versions: int
    first_received: int | None
    last_received: int | None


class WeekNumbers(msgspec.Struct):
    """The numbers of an ISO week."""

    year: int
    week: int
    attempts: int
    """Attempts whose newest version was first received in the week."""
    versions: int
    """Versions that were first received in the week."""


class WeeklyActivity(NamedTuple):
    """The activity of a batch in a week."""

    slice: ArchiveSlice
    attempts: int
    """Attempts with a version that was first received in the week."""
    learners: int
    mean_score: float
    """Mean of `total_score` over those attempts, each by its newest version within the week."""


class Received(NamedTuple):
    """A version, and the week in which it was received."""

    user_id: str
    content_hash: bytes
    week: IsoWeek


class Packing(NamedTuple):
    """How the file of a report is packed."""

    member: str
    """The name of the CSV file within a zip file."""
    password: Password | None = None
    """Encrypt the zip file with this password."""


class WrittenReport(NamedTuple):
    """A report that was written to a local file."""

    rows: int
    attempts: int
    """The attempts that the spec selects."""
    content: Content | None
    """The text that was written or compressed; None for Parquet."""
    written_with: dict[str, str]
    """The versions of the libraries that decide the bytes of the file."""
    suppressed_cells: int
    """The groups of learners whose figures are suppressed."""
    names: NamesRead | None = None
    """The names that were read; None if the report shows none."""


class DrawnPicture(NamedTuple):
    """A picture that belongs to a report."""

    ending: str
    """What the name of its file adds to that of the report: `.activity.svg`."""
    content: bytes
    written_with: dict[str, str]
    """The versions of the libraries that decide its bytes."""


class Pictures(NamedTuple):
    """The pictures of a report."""

    drawn: list[DrawnPicture]
    names: NamesRead | None
    """The names that were read; None if there was no source."""


class SliceRows(NamedTuple):
    """The rows of a slice in a union."""

    hot: int
    lake: int
    versions: int
    """Distinct versions in both tiers."""
    newest_hot: int | None
    """The newest receipt in the hot store (epoch ms)."""
    kept: int = 0
    """Distinct versions of which only the kept score was read."""


class HotRows(NamedTuple):
    """The rows of the hot store that a union read."""

    path: Path
    """A local Parquet file."""
    file: SealedFile


class Union(Protocol):
    """A snapshot of hot store ∪ lake, from which reports, pages and answers are read.

    The hot store was read first and completely, then the lake was pinned (rule 4). If a file of the lake cannot be
    read, methods raise `ReportFailed` and name it.

    Answers and totals are those that were submitted. A method with `corrections` changes them as
    `corrections.corrected_version` does.
    """

    @property
    def lake_version(self) -> int:
        """The pinned Delta version; -1 if there is no table."""
        ...

    @property
    def unreadable(self) -> list[str]:
        """Sentences that name the lake's files that were left out, because they cannot be read."""
        ...

    def slices(self) -> dict[ArchiveSlice, SliceRows]:
        """The slices with rows."""
        ...

    def lake_files(self) -> list[SealedFile]:
        """The lake's files with rows of this union, in the order in which they are read. Reads every byte of them."""
        ...

    def hot_rows(self) -> "HotRows | None":
        """The rows of the hot store as they were read; None if there is no row. Their file exists as long as this."""
        ...

    def attempts(self, spec: ReportSpec, corrections: Sequence[Correction] = ()) -> Iterator[AttemptState]:
        """The attempts that a spec selects, ordered by key, compared as UTF-8 bytes."""
        ...

    def selected(self, spec: ReportSpec, *, is_ordered: bool = True) -> Iterator[AttemptVersion]:
        """The versions that a spec selects, ordered like `all_attempts`.

        To order them, their answers are sorted, on disk if ASSESS_MEMORY is small.
        """
        ...

    def learners(self) -> Iterator[list[str]]:
        """The learners with rows, each once, in chunks."""
        ...

    def write_report(
        self,
        spec: ReportSpec,
        target: Path,
        packing: Packing,
        names: Names | None = None,
        corrections: Sequence[Correction] = (),
    ) -> WrittenReport:
        """Write a report to a file, with names from this source. Without a source all names are empty.

        The union must have all rows of the batches that the spec selects. Raises `BadReport` for an unknown column, and
        for rows or texts that the format cannot hold; and the errors of the source.
        """
        ...

    def draw(self, spec: ReportSpec, names: Names | None = None, corrections: Sequence[Correction] = ()) -> Pictures:
        """The pictures of the attempts that a spec selects, in each of `spec.pictures`: activity, scores, questions.

        Like `write_report`, with the same suppression as the report overview.
        """
        ...

    def batch_numbers(self, corrections: Sequence[Correction] = ()) -> BatchNumbers:
        """The numbers of all attempts."""
        ...

    def week_numbers(self) -> list[WeekNumbers]:
        """The numbers of each ISO week, in order."""
        ...

    def all_attempts(self, corrections: Sequence[Correction] = ()) -> Iterator[AttemptVersion]:
        """The newest version of each attempt, ordered by batch, learner, course, assessment and attempt id."""
        ...

    def all_versions(self) -> Iterator[AttemptVersion]:
        """Every version once, with its earliest receipt, ordered like `all_attempts`, then by version."""
        ...

    def copies(self, tier: str) -> Iterator[AttemptVersion]:
        """Every copy in a tier (`hot` or `lake`), ordered like `all_attempts`, then by version and receipt."""
        ...

    def received(self, weeks: Collection[IsoWeek]) -> Iterator[Received]:
        """The versions of these weeks, ordered by learner; each with the week of its earliest copy in this union."""
        ...

    def weekly_activity(
        self, weeks: Collection[IsoWeek], without: Collection[bytes], corrections: Sequence[Correction] = ()
    ) -> list[WeeklyActivity]:
        """The activity of these weeks, ordered by week, then batch. Versions with a hash in `without` do not count."""
        ...


class ReportOutput(Protocol):
    """The output that a user named for one report."""

    @property
    def path(self) -> str:
        """Its name in messages."""
        ...

    def beside(self, ending: str) -> "ReportOutput | None":
        """The output whose name has this ending in addition; None if there is no place beside this one."""
        ...

    def partial(self) -> "ReportOutput":
        """The output for a report that is not complete, with a name that says so. Raises `ReportFailed`."""
        ...

    def write(self) -> AbstractContextManager[Path]:
        """A local temporary file; the end of the block copies it to the output. Raises the errors of `Exhausts`."""
        ...

    def withdraw(self) -> None:
        """Delete what was written, if it is a file. Raises the errors of `Exhausts`."""
        ...


class Located(NamedTuple):
    """A copy in the lake, and where it is."""

    version: AttemptVersion
    file: str
    """The absolute path or the s3:// URL of the Parquet file."""
    row_group: int
    """From 0."""
    row: int
    """The number of the row in its row group, from 0."""


class Unions(Protocol):
    """Opens unions of some of the slices."""

    def __call__(
        self,
        *,
        batches: Collection[str] | None = None,
        weeks: Collection[IsoWeek] | None = None,
        skip_unreadable: bool = False,
        scores: bool = False,
        answers: bool = True,
    ) -> AbstractContextManager[Union]:
        """The slices of some batches, or of some weeks, or of both; all slices by default.

        `skip_unreadable`: leave out the files of the lake that cannot be read, and name them. `scores`: read the scores
        that the lake keeps without answers, too; then only `slices`, `learners`, `lake_files`, `attempts`
        and reports that need no answers may be read. Without `answers`, only numbers without corrections may
        be read: reading the text of the hot rows takes longer than the rest.
        """
        ...

    def sealed(
        self, batches: Collection[str], lake_files: Sequence[SealedFile], hot_rows: Path | None
    ) -> AbstractContextManager[Union]:
        """A union that was sealed before, with the same order of files. The hot store is not read.

        Raises `TicketBroken` naming the files that are missing or have other bytes, and the errors of a union.
        """
        ...

    def page(self, batch_id: str, asked: AttemptRange) -> list[AttemptVersion]:
        """The newest versions of these attempts, ordered by key.

        The cost grows with the page, not with the batch. Raises the errors of a union.
        """
        ...

    def archived(
        self, batch_ids: Collection[str], weeks: Collection[IsoWeek], user_id: str, hashes: Collection[bytes]
    ) -> list[AttemptVersion]:
        """The lake's copies of a learner's versions with these content hashes in these batches and weeks.

        Reads the lake alone, at its newest version. Call it after the hot store was read. Raises what a union raises.
        """
        ...

    def kept_totals(
        self, batch_id: str, weeks: Collection[IsoWeek], user_id: str, hashes: Collection[bytes]
    ) -> dict[bytes, Totals]:
        """The totals of a learner's dropped versions, by content hash, if the lake keeps their scores.

        They are those under the corrections of the time of the drop. Reads the newest version of `scores`.
        """
        ...

    def located(
        self, batch_id: str, weeks: Collection[IsoWeek], user_id: str, hashes: Collection[bytes]
    ) -> list[Located]:
        """Like `archived`, with the place of each copy; a copy that was written twice is listed twice."""
        ...


class StoredReport(NamedTuple):
    """A report that is read from the folder or bucket."""

    size: int
    """In bytes."""
    chunks: Iterator[bytes]


class Exhausts(Protocol):
    """The folder, or the prefix of a bucket, for reports. Names are relative, with `/` between parts."""

    def path(self, name: str) -> str:
        """The absolute path, or the s3:// URL, of the report of this name."""
        ...

    def atomic_write(self, name: str) -> AbstractContextManager[Path]:
        """A local temporary file, which becomes the report at the end of the block. It is deleted if the block fails.

        The report appears whole or not at all. Raises `StoreUnavailable`, `ReportFailed`.
        """
        ...

    def read(self, name: str) -> StoredReport:
        """The report of this name. Raises `LinkExpired` if it does not exist, `StoreUnavailable`, `ReportFailed`."""
        ...

    def delete(self, name: str) -> None:
        """Delete the report of this name, or all reports below it. Nothing happens if there is none.

        Raises `StoreUnavailable`, `ReportFailed`.
        """
        ...

    def delete_temporaries(self) -> None:
        """Delete unfinished reports, also of killed processes. A process that is writing one then fails, and says so.

        Raises `ReportFailed`.
        """
        ...

    def texts(self) -> "Iterator[tuple[str, Iterator[Text]]]":
        """Everything in the folder or bucket: the name of each file, and what is in it, decoded and as it is."""
        ...

    def examine(self) -> Iterator[Finding]:
        """The state of the folder or bucket, for `assess doctor`."""
        ...


class WeeklyTable(Protocol):
    """The Delta table `weekly_activity`, which is stored beside `attempts`."""

    def replace(self, weeks: Collection[IsoWeek], rows: Sequence[WeeklyActivity]) -> int:
        """Replace all rows of these weeks with `rows`; returns the size of the new files in bytes.

        Raises `NotOurTable`, `LakeConflict`, `StoreUnavailable`.
        """
        ...

    def rows(self) -> list[WeeklyActivity]:
        """All rows, ordered by week, then batch."""
        ...
