"""The sidecar of a report: what was read, whether anything is missing, and the SHA-256 of the file."""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from assess_core.domain.counts import counted
from assess_core.domain.manifest import SliceRecord
from assess_core.domain.names import NamesRead
from assess_core.domain.slices import ArchiveSlice

SIDECAR_ENDING: Final = ".json"
"""What the name of a sidecar adds to that of its report."""
SIDECAR_VERSION: Final = 1
"""The version of the sidecar's format."""
_NAMED: Final = 5
"""Slices that a problem names."""


class SliceRead(msgspec.Struct, frozen=True, kw_only=True):
    """What a report read of a slice."""

    slice: str
    hot_rows: int
    lake_rows: int
    versions: int
    """Distinct versions in both tiers."""
    recorded_versions: int
    """The versions that the manifest recorded when the slice was archived; 0 if it was not, or was dropped since."""
    dropped_versions: int = 0
    """The versions that retention dropped from the lake. They are not in the report."""
    kept_scores: int = 0
    """The versions of which the lake keeps only the score, as the manifest says."""
    from_kept_scores: int | None = None
    """The versions of which the report has only the kept score; None if it needs answers, and reads no kept scores."""

    @property
    def missing(self) -> str | None:
        """What was not read of the slice, as a phrase; None if it was read completely."""
        if self.versions < self.recorded_versions:
            return f"{self.versions:,} of {self.recorded_versions:,} versions"
        if self.from_kept_scores is not None and (known := self.versions + self.from_kept_scores) < self.kept_scores:
            return f"{known:,} of {self.kept_scores:,} kept scores"
        return None


class SlicesRead(msgspec.Struct, frozen=True, kw_only=True):
    """The slices of a report."""

    expected: int
    """Slices with rows in the hot store, or with versions in the manifest."""
    read: int
    """Expected slices of which every version was read."""
    dropped: int = 0
    """Other slices, which retention dropped. Their attempts are not in the report, only in the scores."""
    kept_scores: int = 0
    """Slices with versions of which the lake keeps only the scores."""
    from_kept_scores: int = 0
    """The versions of which the report has only the kept score."""
    each: list[SliceRead]


class LogRead(msgspec.Struct, frozen=True, kw_only=True):
    """The events that were not folded yet when the report began. They are not in the report."""

    unread: str | None
    """Which events, as a phrase; None if there were none, or if it is unknown."""
    since: str | None
    """The earliest receipt that they can have; None if it is unknown."""


class Content(msgspec.Struct, frozen=True):
    """The uncompressed content of a file. It depends only on the stores and the spec."""

    bytes: int
    sha256: str


class PictureFile(msgspec.Struct, frozen=True, kw_only=True):
    """A picture beside a report."""

    file: str
    bytes: int
    sha256: str
    written_with: dict[str, str]
    """The versions of the libraries that decide its bytes."""


class Sidecar(msgspec.Struct, frozen=True, kw_only=True):
    """The sidecar of a report. It appears after the report, and proves the file that has its SHA-256."""

    sidecar_version: int = SIDECAR_VERSION
    product: str
    """The version of this project."""
    written_with: dict[str, str]
    """The versions of the libraries that decide the bytes of the file."""
    file: str
    spec: dict[str, object]
    """What was asked for: `report_spec.ReportSpec`."""
    complete: bool
    problems: list[str]
    """What is missing, in sentences; empty if the report is complete."""
    rows: int
    attempts: int
    suppressed_cells: int
    """The groups of learners that are so small that their figures are not shown."""
    bytes: int
    sha256: str
    content: Content | None
    encrypted: bool
    lake_version: int
    """The Delta version of `attempts` that was read; -1 if there is no table."""
    hot_watermark: str | None
    """The newest receipt among the rows of the hot store; None if it had no row of these batches."""
    log: LogRead
    slices: SlicesRead
    names: NamesRead | None
    """The names that were read; None if the report shows none."""
    corrections: list[str] = []
    """The ids of the corrections that were in force for these batches, in the order in which they apply."""
    ticket: str | None = None
    """The ticket with which the report can be printed again."""
    pictures: list[PictureFile] = []
    """The pictures that were asked for. They appear after the report and before the sidecar."""


def sidecar_text(sidecar: Sidecar) -> bytes:
    """The bytes of the file of a sidecar."""
    return msgspec.json.format(msgspec.json.encode(sidecar), indent=2) + b"\n"


def expected_versions(records: Mapping[ArchiveSlice, SliceRecord], slice_: ArchiveSlice) -> int:
    """The versions of a slice that the manifest recorded, if retention has not dropped them."""
    record = records.get(slice_, SliceRecord())
    return record.archived.contents.versions if record.archived and not record.is_dropped else 0


def dropped_versions(records: Mapping[ArchiveSlice, SliceRecord], slice_: ArchiveSlice, read: int) -> int:
    """The versions of a slice that retention dropped; 0 if a union that was pinned before has read them."""
    record = records.get(slice_, SliceRecord())
    dropped = record.dropped.contents.versions if record.dropped and record.is_dropped else 0
    return dropped if read < dropped else 0


def compare_slices(slices: Collection[SliceRead]) -> tuple[SlicesRead, list[str]]:
    """The slices of a report, and what is missing, in sentences."""
    each = sorted(slices, key=lambda one: one.slice)
    short = [one for one in each if one.missing]
    problems = [f"only {one.missing} of slice {one.slice} were read" for one in short[:_NAMED]]
    if len(short) > _NAMED:
        problems.append(f"{counted(len(short) - _NAMED, 'more slice was', 'more slices were')} not read completely")
    gone = sum(bool(one.dropped_versions) and not one.versions for one in each)
    expected = len(each) - gone
    kept = sum(bool(one.kept_scores) for one in each)
    from_kept = sum(one.from_kept_scores or 0 for one in each)
    read = expected - len(short)
    return SlicesRead(
        expected=expected, read=read, dropped=gone, kept_scores=kept, from_kept_scores=from_kept, each=each
    ), problems


def dropped_sentence(slices: SlicesRead) -> str | None:
    """What retention dropped from the batches of a report, as a sentence; None if nothing."""
    dropped = [one for one in slices.each if one.dropped_versions]
    if not dropped:
        return None
    versions = sum(one.dropped_versions for one in dropped)
    return (
        f"retention dropped {counted(versions, 'version')} of these batches "
        f"({counted(len(dropped), 'slice')}, e.g. {dropped[0].slice}): "
        "their scores are kept, and this report does not have their attempts"
    )


def kept_sentence(slices: SlicesRead) -> str | None:
    """How much of a report comes from kept scores, as a sentence; None if nothing."""
    if not slices.from_kept_scores:
        return None
    versions = counted(slices.from_kept_scores, "version")
    return f"scores without answers: {versions} of this report; retention dropped the answers"
