"""Scores that the lake keeps without answers: read back and compared with the manifest, and written."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from assess_core.domain.corrected_scores import Covered
from assess_core.domain.correction_records import Corrections
from assess_core.domain.manifest import NOTHING, Action, Contents, ManifestEntry, SliceRecord, kept_problem, may_follow
from assess_core.domain.scores import Entry
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import LakeConflict, VerifyFailed
from assess_core.ports.cancelling import checkpoint
from assess_core.ports.lake import Lake, Pinned
from assess_core.ports.scores import Totalled
from assess_core.usecases.proving import Found, Manifest, entry


def with_kept(found: Found, manifest: Manifest, lake: Lake) -> Found:
    """The result of reading slices of a week back, with the problems of their kept scores.

    Raises `VerifyFailed` if a file of the table cannot be read, `StoreUnavailable`.
    """
    of_kept = [slice_ for slice_ in found.contents if manifest.records.get(slice_, SliceRecord()).kept]
    if not of_kept:
        return found
    kept = lake.score_contents(lake.pin_scores(), of_kept[0].week)

    def problems(records: Mapping[ArchiveSlice, SliceRecord]) -> dict[ArchiveSlice, str]:
        found_ = ((slice_, found.contents[slice_] != NOTHING) for slice_ in of_kept)
        whys = {
            slice_: kept_problem(records[slice_], kept.get(slice_, NOTHING), has_rows=has_rows)
            for slice_, has_rows in found_
        }
        return {slice_: f"{slice_}: {why}" for slice_, why in whys.items() if why}

    wrong = problems(manifest.records)
    if wrong:  # a drop or an erasure may have begun since the manifest was read
        wrong = problems(Manifest.read(lake, of_kept).records)
    return found._replace(problems={**wrong, **found.problems})


def proved_scores(scores: Pinned, slices: Collection[ArchiveSlice], lake: Lake) -> dict[ArchiveSlice, Contents]:
    """The kept scores of the week of these slices, before it is written again.

    Raises `VerifyFailed` if they are not as the manifest says: writing them again would destroy what shows the damage.
    """
    found = lake.score_contents(scores, next(iter(slices)).week)
    if problems := kept_problems({**dict.fromkeys(slices, NOTHING), **found}, lake):
        raise VerifyFailed(next(iter(problems.values())))
    return found


def kept_problems(contents: Mapping[ArchiveSlice, Contents], lake: Lake) -> dict[ArchiveSlice, str]:
    """The slices whose kept scores are not what an entry *kept* says, each with a sentence."""
    manifest = Manifest.read(lake, contents) if contents else Manifest({}, {})
    problems: dict[ArchiveSlice, str] = {}
    for slice_, found in contents.items():
        record, why = manifest.records.get(slice_, SliceRecord()), manifest.broken.get(slice_)
        if why is None and not may_follow(record, found):
            why = kept_problem(record, found, has_rows=False)
        if why:
            problems[slice_] = f"{slice_}: {why}"
    return problems


def kept_entries(
    before: Mapping[ArchiveSlice, Contents],
    after: Mapping[ArchiveSlice, Contents],
    slices: Iterable[ArchiveSlice],
    records: Mapping[ArchiveSlice, SliceRecord],
    delta_version: int,
    now: int,
) -> Iterator[ManifestEntry]:
    """The entries *kept* of slices whose scores change. One that a killed process has written is left out."""
    for slice_ in slices:
        old, new = before.get(slice_, NOTHING), after.get(slice_, NOTHING)
        if records.get(slice_, SliceRecord()).kept_scores != new:
            yield entry(slice_, Action.KEPT, delta_version, new, now, cleared=max(0, old.rows - new.rows))


def commit(scores: Pinned, week: IsoWeek, draft: Pinned, lake: Lake) -> None:
    """Commit a week of `scores` and read it back. Raises `VerifyFailed`, `LakeConflict`."""
    expected = lake.score_contents(draft, week)
    version = lake.replace_scores(scores, week, draft)
    pinned = lake.pin_scores()
    if pinned.version != version:
        raise LakeConflict(f"another process changed {pinned.place.url} meanwhile; run it again")
    if lake.score_contents(pinned, week) != expected:
        raise VerifyFailed(
            f"the scores of week {week} are not as they were written; no answers were dropped; run it again, and see "
            "that nothing else writes to the lake"
        )


def totals_at_drop(
    slices: Collection[ArchiveSlice], pinned: Pinned, corrections: Corrections, lake: Lake
) -> Iterator[list[Totalled]]:
    """The totals of versions that corrections in force cover, from their answers."""
    in_force = [one.correction for one in corrections.in_force]
    concerned = [slice_ for slice_ in slices if any(each.concerns([slice_.batch_id], None) for each in in_force)]
    for rows in lake.rows(pinned, concerned, answers=True) if concerned else ():
        checkpoint()
        found: list[Totalled] = []
        for row in rows:
            of_row = Entry.of(row)
            if covering := corrections.covering(of_row):
                totals = Covered(of_row, covering).totals_of(row).totals
                found.append(Totalled(row.version.content_hash, totals.score, totals.max_score))
        yield found
