"""Use case: compact weeks of the lake. A compacted week has fewer files, each copy once, and all its versions.

A draft is checked before it is committed: the old rows must agree with the manifest, and the new rows must have the
same digest. Old files stay until `vacuum`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from assess_core.domain.counts import counted
from assess_core.domain.manifest import NOTHING, Contents, SliceRecord
from assess_core.domain.moments import duration_text
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.domain.tickets import holds, plan_vacuum
from assess_core.errors import BadSettings, VerifyFailed
from assess_core.ports.lake import FILE_BYTES, Lake, LakeFile, Pinned, name_of
from assess_core.ports.scores import shown
from assess_core.retrying import retrying
from assess_core.usecases.archiving import Advance, no_progress, verify_alone
from assess_core.usecases.proving import DEADLINE, FIRST_WAIT, Manifest, is_conflict, prove

_HOUR: Final = 3_600_000
RETAIN: Final = 7 * 24 * _HOUR
"""How long (ms) a file stays after it left the table: longer than any report takes."""
_SMALL: Final = FILE_BYTES // 4  # in a rewritten week only the last file can be smaller, so it is not rewritten again


class Compacted(NamedTuple):
    """A week after compaction."""

    files_before: int
    files: int
    rows_before: int
    rows: int
    delta_version: int
    refused: str | None = None
    """Why the week was not rewritten, as a sentence."""


def weeks_worth_it(lake: Lake) -> list[IsoWeek]:
    """The weeks that compaction would change, oldest first."""
    pinned, repeating = lake.pin(), lake.repeating()
    weeks = sorted({file.week for file in pinned.files()})
    return [week for week in weeks if _worth(week, lake, pinned, repeating)]


def _worth(week: IsoWeek, lake: Lake, pinned: Pinned, repeating: Collection[IsoWeek]) -> bool:
    return has_small(pinned.files([week])) or (week in repeating and lake.repeated(pinned, week) > 0)


def has_small(files: Sequence[LakeFile]) -> bool:
    """Whether two or more files are small. One small file is normal: the last file of a week."""
    return sum(file.bytes < _SMALL for file in files) > 1


def may_repeat(records: Mapping[ArchiveSlice, SliceRecord]) -> set[IsoWeek]:
    """The weeks with a slice that has more rows than versions: it has two receipts, or a copy was written twice."""
    return {
        slice_.week
        for slice_, record in records.items()
        if record.archived is not None and record.archived.contents.rows > record.archived.contents.versions
    }


def compact(
    weeks: Collection[IsoWeek], lake: Lake, now: int, advance: Advance = no_progress
) -> dict[IsoWeek, Compacted]:
    """Rewrite these weeks, one commit each, and verify them again. Can be repeated, and killed at any moment.

    A week whose files differ from the manifest is refused with a reason, and the other weeks are compacted. Raises
    `StoreUnavailable`, `VerifyFailed` for a file that cannot be read, `LakeConflict` if other processes keep changing
    the week.
    """
    done: dict[IsoWeek, Compacted] = {}
    again = retrying(is_conflict, deadline_seconds=DEADLINE, first_wait=FIRST_WAIT)
    for week in sorted(set(weeks)):
        done[week] = again(_compact, week, lake, now)
        advance()
    return done


def _compact(week: IsoWeek, lake: Lake, now: int) -> Compacted:
    pinned = lake.pin()
    files, slices = pinned.files([week]), lake.slices(pinned, week)
    manifest = Manifest.read(lake, slices)
    rows = sum(file.rows for file in files)
    if not _worth(week, lake, pinned, may_repeat(manifest.records)):
        return Compacted(len(files), len(files), rows, rows, pinned.version)
    with lake.copies(pinned, slices, proved=True) as copies:
        found = prove(slices, manifest, copies)
    if found.problems:
        why = f"week {week} was not compacted: {next(iter(found.problems.values()))}"
        return Compacted(len(files), len(files), rows, rows, pinned.version, why)
    with rewritten(lake, pinned, week, found.contents) as draft:
        version = lake.replace(pinned, week, draft)
    verify_alone(slices, lake, now)
    new = lake.pin().files([week])
    return Compacted(len(files), len(new), rows, sum(file.rows for file in new), version)


@contextmanager
def rewritten(
    lake: Lake,
    pinned: Pinned,
    week: IsoWeek,
    contents: Mapping[ArchiveSlice, Contents],
    without: Collection[ArchiveSlice] = (),
) -> Iterator[Pinned]:
    """A draft of a week that has these slices with these contents, and none of the slices `without`.

    Raises `VerifyFailed` if a row of the draft differs.
    """
    with lake.rewritten(pinned, week, without) as draft:
        with lake.copies(draft, [*contents, *without], proved=True) as copies:
            after, damaged = copies.contents(), copies.damaged()
        expected = {**contents, **dict.fromkeys(without, NOTHING)}
        changed = [slice_ for slice_, before in expected.items() if not after[slice_].same_copies(before)]
        if changed or damaged:
            raise VerifyFailed(
                f"the rows of {changed[0] if changed else next(iter(damaged))} changed while they were rewritten; "
                "nothing was committed; run it again, and report a bug if this happens again"
            )
        yield draft


def whole_hours(retain: int) -> int:
    """`retain` (ms) in hours, the unit of Delta. Raises `BadSettings` if it is not a whole number of hours."""
    hours, rest = divmod(retain, _HOUR)
    if rest:
        raise BadSettings(
            f"--retain: {duration_text(retain)} is not a whole number of hours, which Delta requires; "
            f"write {hours + 1}h"
        )
    return hours


class Vacuumed(NamedTuple):
    """What a vacuum deleted."""

    deleted: list[str]
    """`TABLE/FILE` names."""
    held: list[str]
    """The files that tickets hold: without them they would have been deleted."""
    is_writing: bool
    """Whether a ticket was being written. Then no file of `attempts` or `scores` is deleted."""
    tickets: list[str]
    """The ids of released and expired tickets that were deleted."""

    def notices(self) -> Iterator[str]:
        """What a person should know about it."""
        if self.is_writing and self.held:
            yield (
                f"a ticket is being written, so {counted(len(self.held), 'file was', 'files were')} "
                "not deleted; run it again later"
            )
        elif self.held:
            yield f"tickets hold {counted(len(self.held), 'file')}; `assess ticket list` lists the tickets"
        if self.tickets:
            yield f"released and expired tickets deleted: {len(self.tickets)}"


def vacuum(lake: Lake, now: int, retain: int = RETAIN, dry_run: bool = False) -> Vacuumed:
    """Delete files that left a table of the lake more than `retain` (ms) ago and that no ticket holds.

    Until then, a version that a report, a verify or a clear has pinned stays complete. A ticket is stored before its
    lake version is pinned, and here the table is read before the tickets. So a file that a ticket needs is still in
    the table that was read here, or the ticket is among those that were read. Raises `BadSettings`, `BadTicket`.
    """
    hours = whole_hours(retain)
    pinned = lake.pin()
    current = [name_of(file, pinned) for file in (*pinned.files(), *lake.pin_scores().files())]
    unused = lake.unused(hours)  # after `current`: a file that leaves in between is in both
    found = holds(lake.tickets.all(), now)
    plan = plan_vacuum(unused.old, unused.recent, current, found)
    if not dry_run:
        lake.delete(plan.deleted)
        for ticket in plan.finished:
            lake.tickets.delete(ticket.id)
    return Vacuumed(
        [shown(name) for name in plan.deleted] + lake.vacuum_small_tables(hours, dry_run),
        [shown(name) for name in plan.held],
        found.is_writing,
        [ticket.id for ticket in plan.finished],
    )
