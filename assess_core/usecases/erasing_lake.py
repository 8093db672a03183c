"""Use case: erase learners from the lake. Week by week, then the old files, then Delta's history.

Per week, and per file once for all learners of the call:

    read the week back and compare it with the manifest -> draft without the learners -> compare the draft: exactly
    their copies are missing -> manifest entries *erased* -> replace the files -> verify the week

A process that is killed before the files are replaced leaves entries that say what the next run will make true.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from assess_core.domain.erasing import Mentions
from assess_core.domain.manifest import (
    NOTHING,
    Action,
    Contents,
    ManifestEntry,
    by_slice,
    without,
)
from assess_core.domain.moments import iso
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.domain.tickets import (
    HOT_ROWS,
    SealedFile,
    Ticket,
    TicketStatus,
    holders,
    ticket_text,
    with_other_file,
    with_other_rows,
)
from assess_core.errors import ErasureRefused, UnknownTicket, VerifyFailed
from assess_core.ports.erasures import StoredFile
from assess_core.ports.lake import Lake, Pinned, name_of
from assess_core.ports.scores import ScoresDraft
from assess_core.retrying import retrying
from assess_core.usecases.archiving import verify_alone
from assess_core.usecases.keeping import commit, kept_entries, proved_scores
from assess_core.usecases.proving import DEADLINE, FIRST_WAIT, Found, Manifest, entry, is_conflict, prove


class LakeErased(NamedTuple):
    """What left the lake."""

    slices: dict[ArchiveSlice, int]
    """The rows that left each slice."""
    refused: list[str]
    """Why weeks were not touched, as sentences."""
    scores: dict[ArchiveSlice, int]
    """The kept scores that left each slice."""


def slices_with(user_ids: Collection[str], lake: Lake) -> set[ArchiveSlice]:
    """The slices with rows of learners. None if a file cannot be read: then the erasure must be repeated anyway."""
    try:
        return {
            slice_
            for pinned in (lake.pin(), lake.pin_scores())
            for week in lake.weeks_with(pinned, user_ids)
            for slice_ in lake.naming(pinned, week, user_ids, ())
        }
    except VerifyFailed:
        return set()


def erase_from_weeks(user_ids: Collection[str], lake: Lake, now: int) -> LakeErased:
    """Erase learners from the newest versions of `attempts` and `scores`. Can be repeated, and killed at any moment."""
    again = retrying(is_conflict, deadline_seconds=DEADLINE, first_wait=FIRST_WAIT)
    left: dict[ArchiveSlice, int] = {}
    scores: dict[ArchiveSlice, int] = {}
    refused: list[str] = []
    for pin, erase_week, gone in ((lake.pin, _erase_week, left), (lake.pin_scores, _erase_scores, scores)):
        # for archives, which read the hot store; then for drops, which write scores from rows of `attempts`
        lake.traces.announce()
        for week in lake.weeks_with(pin(), user_ids):
            try:
                gone.update(again(erase_week, week, user_ids, lake, now))
            except VerifyFailed as error:
                refused.append(f"week {week} was not touched: {error}")
    return LakeErased(left, refused, scores)


def _erase_week(week: IsoWeek, user_ids: Collection[str], lake: Lake, now: int) -> dict[ArchiveSlice, int]:
    pinned = lake.pin()
    slices = lake.slices(pinned, week)
    entries = lake.manifest(slices)
    manifest = Manifest.read(lake, slices)
    with lake.copies(pinned, slices, proved=True) as copies:
        found, theirs = prove(slices, manifest, copies), copies.contents(user_ids)
        before = prove(slices, manifest._replace(records=by_slice(_before_erasure(entries))), copies)
    if problems := [why for slice_, why in found.problems.items() if slice_ in before.problems]:
        raise VerifyFailed(problems[0])
    with lake.rewritten(pinned, week, without_learners=user_ids) as draft:
        after = _checked(draft, slices, found, theirs, lake)
        touched = [slice_ for slice_ in slices if theirs[slice_] != NOTHING]
        lake.record(
            [
                entry(slice_, Action.ERASED, pinned.version + 1, after[slice_], now, theirs[slice_].rows)
                for slice_ in touched
                if not _is_announced(manifest, slice_, after[slice_], pinned)
            ]
        )
        lake.replace(pinned, week, draft)
    verify_alone(slices, lake, now)
    return {slice_: theirs[slice_].rows for slice_ in touched}


def _erase_scores(week: IsoWeek, user_ids: Collection[str], lake: Lake, now: int) -> dict[ArchiveSlice, int]:
    scores = lake.pin_scores()
    theirs = lake.score_contents(scores, week, user_ids)
    if not theirs:  # another erasure was faster
        return {}
    found = proved_scores(scores, theirs, lake)
    with lake.scores_draft(lake.pin(), scores, week, ScoresDraft(without_learners=user_ids)) as draft:
        after = lake.score_contents(draft, week)
        for slice_, contents in found.items():
            if not after.get(slice_, NOTHING).same_rows(without(contents, theirs.get(slice_, NOTHING))):
                raise VerifyFailed(
                    f"other scores of {slice_} changed while the learners were left out; nothing was committed; run it "
                    "again, and report a bug if this happens again"
                )
        records = by_slice(lake.manifest(theirs))
        lake.record([*kept_entries(found, after, sorted(theirs), records, lake.pin().version, now)])
        commit(scores, week, draft, lake)
    return {slice_: contents.rows for slice_, contents in theirs.items()}


def _checked(
    draft: Pinned, slices: Sequence[ArchiveSlice], found: Found, theirs: Mapping[ArchiveSlice, Contents], lake: Lake
) -> dict[ArchiveSlice, Contents]:
    """The contents of a draft: those of before, without the copies of the learners and nothing else."""
    with lake.copies(draft, slices, proved=True) as copies:
        after, damaged = copies.contents(), copies.damaged()
    changed = [
        slice_ for slice_ in slices if not after[slice_].same_copies(without(found.contents[slice_], theirs[slice_]))
    ]
    if changed or damaged:
        raise VerifyFailed(
            f"other rows of {changed[0] if changed else next(iter(damaged))} changed while the learners were left out; "
            "nothing was committed; run it again, and report a bug if this happens again"
        )
    return after


def _before_erasure(entries: Sequence[ManifestEntry]) -> Iterator[ManifestEntry]:
    """The entries without each slice's newest erased one: a killed erasure may not have replaced the files."""
    newest = {each.slice: each.number for each in entries if each.action is Action.ERASED}  # in the order of numbers
    return (each for each in entries if newest.get(each.slice) != each.number)


def _is_announced(manifest: Manifest, slice_: ArchiveSlice, after: Contents, pinned: Pinned) -> bool:
    """Whether a killed erasure has written the same entry, and nothing was committed since."""
    erased = manifest.records[slice_].erased
    return erased is not None and erased.contents == after and erased.delta_version == pinned.version + 1


def require_no_writing_ticket(lake: Lake, now: int) -> None:
    """Raise `ErasureRefused` while a ticket is written: nobody knows yet which files it needs."""
    for ticket in lake.tickets.all():
        if ticket.state(now) is TicketStatus.WRITING:
            raise ErasureRefused(
                f"the ticket {ticket.id} is being written with its report; wait for it, then erase; if its process was "
                f"killed, it ends at {iso(ticket.expires)}"
            )


class FilesErased(NamedTuple):
    """What was done with stored files that no version of the table needs."""

    deleted: list[StoredFile]
    rewritten: list[StoredFile]
    """For tickets."""
    tickets: list[str]
    """The ids of the tickets that lack the learners now."""


def erase_from_old_files(user_ids: Collection[str], mentions: Mentions, lake: Lake, now: int) -> FilesErased:
    """Delete the old files with rows of learners, and Delta's history. Tickets get files without the learners.

    A ticket of a report about one of the learners alone is deleted.

    Raises `VerifyFailed` if the newest version still has such a file, and `ErasureRefused` while a ticket is written:
    its report may have read the stores before.
    """
    require_no_writing_ticket(lake, now)
    pinned = lake.pin()
    current = {name_of(file, pinned) for file in (*pinned.files(), *lake.pin_scores().files())}
    found = lake.traces.stored(user_ids)
    if left := [file.name for file in found if file.name in current]:
        raise VerifyFailed(f"{left[0]} still holds rows of the learners; erase again")
    tickets = {ticket.id: ticket for ticket in lake.tickets.all()}
    for id_ in [ticket.id for ticket in tickets.values() if mentions.are_in(ticket_text(ticket))]:
        lake.tickets.delete(id_)
        del tickets[id_]
    rewritten: list[StoredFile] = []
    changed: set[str] = set()
    for file in found:
        if holding := holders(tickets.values(), file.name):
            new = lake.traces.rewrite(file.name, user_ids)
            rewritten.append(new)
            for ticket in holding:
                sealed = SealedFile(name=new.name, rows=new.rows, bytes=new.bytes, sha256=new.sha256)
                tickets[ticket.id] = with_other_file(tickets[ticket.id], file.name, sealed, now)
                _store(tickets[ticket.id], lake)
                changed.add(ticket.id)
        lake.delete([file.name])
    for ticket in tickets.values():
        if _erase_hot_rows(ticket, user_ids, lake, now):
            changed.add(ticket.id)
    lake.traces.forget_history()
    return FilesErased(found, rewritten, sorted(changed))


def _erase_hot_rows(ticket: Ticket, user_ids: Collection[str], lake: Lake, now: int) -> bool:
    """Erase learners from the rows of the hot store that a ticket has; returns whether there were any."""
    if ticket.hot_rows is None:
        return False
    with lake.tickets.fetched(ticket.id, HOT_ROWS) as rows:
        if rows is None or not lake.traces.rows_of(rows, user_ids):
            return False
        with lake.traces.rows_without(rows, user_ids) as kept:
            sealed = SealedFile(name=HOT_ROWS, rows=kept.rows, bytes=kept.bytes, sha256=kept.sha256)
            # the ticket first: if the process is killed, the next one finds the rows, and does both again
            _store(with_other_rows(ticket, sealed, now), lake)
            lake.tickets.add(ticket.id, HOT_ROWS, Path(kept.name))
    return True


def _store(ticket: Ticket, lake: Lake) -> None:
    """Write a changed ticket. If it was released or deleted since it was read, it stays so."""
    with suppress(UnknownTicket):
        lake.tickets.write(msgspec.structs.replace(ticket, status=lake.tickets.read(ticket.id).status))
