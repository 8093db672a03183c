"""Use case: compact weeks of the lake. Few files for many, each copy once, and not a version less.

What is written is proved before it is committed: the rows to be replaced must prove the manifest, and those that
replace them must be the same copies, to the digest. Old files stay until `vacuum`.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import count
from typing import Final, NamedTuple

from assess_core.domain.manifest import SliceRecord
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import LakeConflict, VerifyFailed
from assess_core.ports.lake import FILE_BYTES, Lake, LakeFile, Pinned
from assess_core.usecases.archiving import Advance, no_progress, verify_alone
from assess_core.usecases.proving import Manifest, prove

RETAIN: Final = 7 * 24 * 3_600_000
"""How long a file that is no longer part of the table stays at least (ms): longer than any report takes to read it."""
_TRIES: Final = 5
_SMALL: Final = FILE_BYTES // 4  # what a rewrite leaves is larger, but for its last file: so it ends by itself


class Compacted(NamedTuple):
    """A week after compaction."""

    files_before: int
    files: int
    rows_before: int
    rows: int
    delta_version: int
    refused: str | None = None
    """A sentence that says why the week was left as it is."""


def weeks_worth_it(lake: Lake) -> list[IsoWeek]:
    """The weeks that compaction would change, oldest first."""
    pinned, records = lake.pin(), Manifest.read(lake).records
    weeks = sorted({file.week for file in pinned.files()})
    return [week for week in weeks if _worth(week, lake, pinned, records)]


def _worth(week: IsoWeek, lake: Lake, pinned: Pinned, records: Mapping[ArchiveSlice, SliceRecord]) -> bool:
    return has_small(pinned.files([week])) or (may_repeat(week, records) and lake.repeated(pinned, week) > 0)


def has_small(files: Sequence[LakeFile]) -> bool:
    """Whether files could be one: the last of a week is as small as it is."""
    return sum(file.bytes < _SMALL for file in files) > 1


def may_repeat(week: IsoWeek, records: Mapping[ArchiveSlice, SliceRecord]) -> bool:
    """Whether a slice of the week has more rows than versions: copies of several receipts, or one written twice."""
    return any(
        record.archived is not None and record.archived.contents.rows > record.archived.contents.versions
        for slice_, record in records.items()
        if slice_.week == week
    )


def compact(
    weeks: Collection[IsoWeek], lake: Lake, now: int, advance: Advance = no_progress
) -> dict[IsoWeek, Compacted]:
    """Rewrite these weeks, a commit for each, and verify them again. May be repeated, and killed at any moment.

    A week whose files do not prove the manifest is refused by name, the others go on. Raises `StoreUnavailable`,
    `VerifyFailed` for a file that cannot be read, `LakeConflict` when others keep changing the week.
    """
    done: dict[IsoWeek, Compacted] = {}
    for week in sorted(set(weeks)):
        for tries in count(1):
            try:
                done[week] = _compact(week, lake, now)
                break
            except LakeConflict:
                if tries == _TRIES:
                    raise  # until then: what somebody appended meanwhile goes in as well
        advance()
    return done


def _compact(week: IsoWeek, lake: Lake, now: int) -> Compacted:
    pinned, manifest = lake.pin(), Manifest.read(lake)
    files, slices = pinned.files([week]), lake.slices(pinned, week)
    rows = sum(file.rows for file in files)
    if not _worth(week, lake, pinned, manifest.records):
        return Compacted(len(files), len(files), rows, rows, pinned.version)
    with lake.copies(pinned, slices, proved=True) as copies:
        found = prove(slices, manifest, copies)
    if found.problems:
        why = f"week {week} is left as it is: {next(iter(found.problems.values()))}"
        return Compacted(len(files), len(files), rows, rows, pinned.version, why)
    with lake.rewritten(pinned, week) as draft:
        with lake.copies(draft, slices, proved=True) as copies:
            after, damaged = copies.contents(), copies.damaged()
        changed = [slice_ for slice_ in slices if not after[slice_].same_copies(found.contents[slice_])]
        if changed or damaged:
            raise VerifyFailed(
                f"the rows of {changed[0] if changed else next(iter(damaged))} changed while they were rewritten; "
                "nothing was committed: run it again, and report this if it comes back"
            )
        version = lake.replace(pinned, week, draft)
    verify_alone(slices, lake, now)
    new = lake.pin().files([week])
    return Compacted(len(files), len(new), rows, sum(file.rows for file in new), version)


def vacuum(lake: Lake, retain: int = RETAIN, dry_run: bool = False) -> list[str]:
    """Delete files that left the table more than `retain` (ms) ago; returns their names.

    A version that a report, a verify or a clear has pinned since is whole for as long.
    """
    return lake.vacuum(retain, dry_run)
